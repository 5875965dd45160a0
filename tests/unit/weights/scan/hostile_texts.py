"""Configurations and chat templates that say in another way what is refused when said plainly."""

from __future__ import annotations

import json

YAMLS: dict[str, bytes] = {
    "module that a library imports": b"a:\n  _target_: torch.nn.parallel.distributed.os.getenv\n",
    "module of a plain library": b"a: {_target_: torch.nn.os.getenv}\n",
    "function of a plain library": b"a: {_target_: nemo.core.getenv}\n",
    "escape in a key": b'a: {"_t\\x61rget_": os.getenv}\n',
    "escape in a value": b'a: {_target_: "os\\x2egetenv"}\n',
    "folded value": b"a:\n  _target_: >-\n    os.getenv\n",
    "literal value": b"a:\n  _target_: |-\n    os.getenv\n",
    "explicit key": b"a:\n  ? _target_\n  : os.getenv\n",
    "alias as a target": b"b: &x os.getenv\na:\n  _target_: *x\n",
    "alias as a key": b"b: &x _target_\na:\n  *x : os.getenv\n",
    "value that is no text": b"a:\n  _target_: [os.getenv]\n",
    "target behind a document": b"--- 1\n---\na: {_target_: os.getenv}\n",
    "escape in a tag": b"a: !<tag:yaml.org,2002:%70ython/object/apply:os.getenv> [X]\n",
    "handle of a tag": (
        b"%TAG !p! tag:yaml.org,2002:pyth\n---\na: !p!on/object/apply:os.getenv [X]\n"
    ),
    "tag of another loader": b"a: !apply:os.getenv [X]\n",
    "tag on a key": b"!!python/name:os.getenv a: 1\n",
    "target of latent diffusion": b"model:\n  target: os.getenv\n  params: {key: X}\n",
    "class path of a command line": b"model:\n  class_path: os.getenv\n",
    "value that is computed": b"a: ${eval:1}\n",
    "node that is computed": b"a: '${oc.create:\"{_target_: os.getenv}\"}'\n",
    "trust in code": b"a: {trust_remote_code: yes}\n",
    "trust in quotes": b"trust_remote_code: 'true'\n",
    "UTF-16": "a: {_target_: os.getenv}\n".encode("utf-16"),
    "Latin-1": b"# caf\xe9\na: 1\n",
}
UNREAD_YAMLS: dict[str, bytes] = {
    "broken": b"a: [\n",
    "key on a line of its own": b"a: {_target_\n   : os.getenv}\n",
    "nested too deep": b"[" * 200 + b"]" * 200,
}
JSONS: dict[str, tuple[str, object]] = {
    "activation of a dense layer": ("1_Dense/config.json", {"activation_function": "os.abort"}),
    "activation of a cross-encoder": ("config.json", {"s": {"activation_fn": "os.abort"}}),
    "types of a router": ("config.json", {"types": {"q": "antigravity.fly"}}),
    "module of a module": ("modules.json", [{"type": "torch.nn.parallel.distributed.os.system"}]),
    "module of a known package": ("modules.json", [{"type": "sentence_transformers.models.os"}]),
    "library of an adapter": (
        "adapter_config.json", {"auto_mapping": {"parent_library": "antigravity"}}
    ),
    "library of Megatron": ("adapter_config.json", {"megatron_core": "antigravity"}),
    "component of three parts": ("modular_model_index.json", {"unet": ["os", "system", {}]}),
    "component of a component": ("model_index.json", {"a": [None, {"b": ["os", "system"]}]}),
    "function of a known library": ("model_index.json", {"a": ["diffusers", "utils"]}),
    "generation of another model": ("generation_config.json", {"custom_generate": "acme/run"}),
    "attention of another model": ("config.json", {"attn_implementation": "acme/kernel"}),
    "attention of a part": ("config.json", {"_attn_implementation": {"text": "acme/kernel"}}),
    "weights of a URL": ("config.json", {"pretrained_cfg": {"url": "http://example.org/x.pth"}}),
    "weights of a file": ("config.json", {"pretrained_cfg": {"file": "/opt/x.pth"}}),
    "vocabulary outside": ("tokenizer_config.json", {"vocab_file": "/etc/passwd"}),
    "tokenizer outside": ("tokenizer_config.json", {"tokenizer_file": "../../x"}),
    "trust in code": ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}),
    "target in JSON": ("config.json", {"a": {"_target_": "os.system"}}),
    "target in a list": ("config.json", {"a": {"_target_": ["os.system"]}}),
    "target in a mapping": ("config.json", {"_target_": {"a": 1}}),
    "target that is a number": ("config.json", {"_target_": 5}),
    "value that is computed": ("config.json", {"a": "${eval:1}"}),
    "item that is computed": ("config.json", {"a": [1, ["${ OC.decode:x}"]]}),
    "text that is computed": ("config.json", "${eval:1}"),
    "trust in words": ("config.json", {"trust_remote_code": "True"}),
}  # fmt: skip
TEMPLATES: dict[str, str] = {
    "key of two texts": "{{ x[u ~ 'a'] }}",
    "key of a sum": "{{ x[u + 'a'] }}",
    "key of a product": "{{ x[u * 2] }}",
    "key of a format": "{{ x['%sa' % u] }}",
    "key of a piece": "{{ x[u[1:3]] }}",
    "key of a filter": "{{ x[u|replace('a', 'b')] }}",
    "key of a method": "{{ x[u.strip('a')] }}",
    "key of a default": "{{ x[y|default(u ~ 'a')] }}",
    "key in a variable": "{% set k = 'a' ~ u %}{{ x[k] }}",
    "key in a variable of a variable": "{% set k = 'a' ~ u %}{% set l = k %}{{ x[l] }}",
    "key in a block": "{% set k %}a{{ u }}{% endset %}{{ x[k] }}",
    "key in a scope": "{% with k = u ~ 'a' %}{{ x[k] }}{% endwith %}",
    "key in a loop": "{% for k in [u ~ 'a'] %}{{ x[k] }}{% endfor %}",
    "key in a namespace": "{% set n = namespace(k=u ~ 'a') %}{{ x[n.k] }}",
    "key set in a namespace": "{% set n = namespace() %}{% set n.k = u ~ 'a' %}{{ x[n.k] }}",
    "key in two namespaces": "{% set n = namespace(k=u ~ 'a') %}{% set m = n %}{{ x[m.k] }}",
    "key of a macro": "{% macro m(k) %}{{ x[k] }}{% endmacro %}{{ m(u ~ 'a') }}",
    "key of a hidden macro": (
        "{% set n = namespace() %}{% macro m(k) %}{{ x[k] }}{% endmacro %}"
        "{% set n.get = m %}{{ n.get(u ~ 'a') }}"
    ),
    "key of a caller": (
        "{% macro m() %}{{ caller(u ~ 'a') }}{% endmacro %}{% call(k) m() %}{{ x[k] }}{% endcall %}"
    ),
    "loop that is none": "{% set loop = namespace(index=u ~ 'a') %}{{ x[loop.index] }}",
    "attribute of map": "{{ x|map(attribute=u ~ 'a')|list }}",
    "attribute of a sum": "{{ x|sum(u ~ 'a') }}",
    "attribute of a group": "{{ x|groupby(u ~ 'a') }}",
    "attribute of join": "{{ x|join(',', u ~ 'a') }}",
    "filter by its name": "{{ x|map('attr', 'a')|list }}",
    "filter by a computed name": "{{ x|map(u)|list }}",
    "arguments of a mapping": "{{ x|map(**u)|list }}",
}


def template_in_config(template: str) -> bytes:
    """A tokenizer configuration with a chat template."""
    return json.dumps({"chat_template": template}).encode()
