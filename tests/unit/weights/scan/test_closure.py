"""What a model makes a loader pull in, and whether a signature covers it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from steelyard.weights.model_folder import entries
from steelyard.weights.scan import Report, scan_model
from steelyard.weights.scan.closure import load_closure
from steelyard.weights.scan.model import Model, as_model

from .assembling import checkpoint, gguf, safetensors


def model(folder: Path, **files: object) -> Path:
    """A folder with files; `config` stands for `config.json`, bytes for themselves."""
    for name, value in files.items():
        path = folder / (name if "." in name else f"{name}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
    return folder


def told(report: Report) -> list[tuple[str, str, str]]:
    return [(f.code, f.file, f.text) for f in report.findings]


def kinds(report: Report) -> list[tuple[str, str]]:
    return [(reference.kind, reference.target) for reference in report.references]


def test_custom_code_is_followed_through_its_imports(tmp_path: Path) -> None:
    files = {
        "config.json": {"auto_map": {"AutoModel": "modeling_a.Model", "AutoConfig": None}},
        "modeling_a.py": b"from .layers import x\nfrom . import rope\nimport torch\n",
        "layers.py": b"from .deep import y\n",
        "rope.py": b"",
    }
    report = scan_model(model(tmp_path, **files))
    assert kinds(report) == [
        ("code", "modeling_a.py"), ("code", "layers.py"), ("code", "rope.py"), ("code", "deep.py"),
    ]  # fmt: skip
    assert [each for each in told(report) if each[0] == "code-at-load"] == [
        ("code-at-load", "config.json", "auto_map refers to 'modeling_a.py'"),
        ("code-at-load", "layers.py", "import refers to 'deep.py', which is not there"),
        ("code-at-load", "modeling_a.py", "import refers to 'layers.py'"),
        ("code-at-load", "modeling_a.py", "import refers to 'rope.py'"),
    ]


def test_code_that_is_covered_does_not_block(tmp_path: Path) -> None:
    files = {"config.json": {"auto_map": {"AutoModel": "m.M"}}, "m.py": b"x = 1\n"}
    folder = model(tmp_path, **files)
    assert scan_model(folder, frozenset(files)).verdict == "clean"
    assert scan_model(folder, frozenset({"m.py"})).verdict == "blocked"
    report = scan_model(folder, frozenset({"config.json"}))
    assert ("uncovered", "m.py", "loaded, and not covered") in told(report)
    assert ("code-at-load", "config.json", "auto_map refers to 'm.py'") in told(report)


@pytest.mark.parametrize(
    ("value", "kind", "target"),
    [
        ("acme/model--modeling.Model", "remote code", "acme/model--modeling.Model"),
        ("modeling.Model", "code", "modeling.py"),
        ("package.modeling.Model", "code", "package/modeling.py"),
        ("../modeling.Model", "path", "../modeling.Model"),
        ("no class at all", "path", "no class at all"),
    ],
)
def test_an_auto_map_names_code(tmp_path: Path, value: str, kind: str, target: str) -> None:
    report = scan_model(model(tmp_path, config={"auto_map": {"AutoModel": value}}))
    assert kinds(report) == [(kind, target)]
    assert report.verdict == "blocked"


@pytest.mark.parametrize(
    ("revision", "pinning"),
    [
        (None, "not pinned"),
        ("main", "pinned to 'main' only"),
        ("a" * 40, "pinned to a commit"),
    ],
)
def test_a_base_model_is_a_warning_unless_the_model_is_signed(
    tmp_path: Path, revision: str | None, pinning: str
) -> None:
    adapter = {"base_model_name_or_path": "acme/base", "revision": revision}
    folder = model(tmp_path, adapter_config=adapter)
    text = f"base_model_name_or_path refers to 'acme/base', {pinning}"
    report = scan_model(folder)
    assert told(report) == [("base-remote", "adapter_config.json", text)]
    assert report.verdict == "clean"
    report = scan_model(folder, frozenset({"adapter_config.json"}))
    assert told(report) == [("base-uncovered", "adapter_config.json", text)]
    assert report.verdict == "blocked"


def test_a_base_model_inside_the_model_is_local(tmp_path: Path) -> None:
    files = {"adapter_config.json": {"base_model_name_or_path": "base"}, "base/config.json": {}}
    report = scan_model(model(tmp_path, **files))
    assert kinds(report) == [("local model", "base")]
    assert told(report) == []


@pytest.mark.parametrize("path", ["/opt/base", "../base", "C:\\base", "./a/b/c"])
def test_a_base_model_by_a_path_blocks(tmp_path: Path, path: str) -> None:
    report = scan_model(model(tmp_path, adapter_config={"base_model_name_or_path": path}))
    assert kinds(report) == [("path", path)]
    assert report.verdict == "blocked"


def test_nested_references_are_found(tmp_path: Path) -> None:
    config = {
        "vision_config": {"mm_vision_tower": "acme/tower"},
        "backbone": "resnet50", "use_pretrained_backbone": True,
        "parts": [{"draft_model": "acme/draft"}],
    }  # fmt: skip
    report = scan_model(model(tmp_path, config=config))
    assert sorted(kinds(report)) == [
        ("remote model", "acme/draft"), ("remote model", "acme/tower"),
        ("remote model", "resnet50"),
    ]  # fmt: skip


def test_modules_of_the_library_are_no_code_of_the_model(tmp_path: Path) -> None:
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_Own", "type": "own.Pooling"},
    ]
    report = scan_model(model(tmp_path, modules=modules, **{"own.py": b""}))
    assert kinds(report) == [("code", "own.py")]


def test_pipelines_of_diffusers(tmp_path: Path) -> None:
    index = {
        "_class_name": ["my_pipeline", "Pipe"],
        "unet": ["diffusers", "UNet"], "vae": ["my_vae", "Vae"], "_diffusers_version": "0.30",
    }  # fmt: skip
    report = scan_model(model(tmp_path, model_index=index))
    assert kinds(report) == [("code", "my_pipeline.py"), ("code", "vae/my_vae.py")]


def shard(name: str) -> bytes:
    return safetensors({name: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})


def test_shards_that_fit_their_index_are_clean(tmp_path: Path) -> None:
    names = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    files: dict[str, object] = {names[0]: shard("a"), names[1]: shard("b")}
    files["model.safetensors.index.json"] = {"weight_map": {"a": names[0], "b": names[1]}}
    assert told(scan_model(model(tmp_path, **files))) == []


def test_shards_that_do_not_fit_their_index(tmp_path: Path) -> None:
    names = [f"model-0000{n}-of-00003.safetensors" for n in (1, 2)]
    files: dict[str, object] = {names[0]: shard("a"), names[1]: shard("b")}
    index = "model.safetensors.index.json"
    files[index] = {"weight_map": {"a": names[0], "c": names[0]}}
    assert told(scan_model(model(tmp_path, **files))) == [
        ("shard-missing", names[0], "'model-00003-of-00003.safetensors' is not there"),
        ("shard-extra", names[1], f"{index!r} does not name it"),
        ("shard-mismatch", index, f"'c' is not in {names[0]!r}"),
    ]


def test_two_formats_of_the_same_weights(tmp_path: Path) -> None:
    files = {"model.safetensors": safetensors(), "pytorch_model.bin": checkpoint()}
    report = scan_model(model(tmp_path, **files))
    assert told(report) == [("two-weights", "pytorch_model.bin", "beside model.safetensors")]
    assert report.verdict == "clean"


def test_a_series_of_gguf_with_a_hole(tmp_path: Path) -> None:
    files = {f"m-0000{n}-of-00003.gguf": gguf({}) for n in (1, 3)}
    assert [code for code, _, _ in told(scan_model(model(tmp_path, **files)))] == ["shard-missing"]


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "vocab.txt", "model.onnx_data", "c.yml", "MLmodel", "x.j2", "m.hdf5",
     "m.spm", "m.tiktoken", "m.pt2", "m.nemo", "merges", "a/.git.bin"],
)  # fmt: skip
def test_everything_that_is_loaded_must_be_covered(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / name).write_bytes(safetensors() if name.endswith("tensors") else b"a: 1\n")
    (tmp_path / "config.json").write_text("{}", "utf-8")
    (tmp_path / "README.md").write_text("read me", "utf-8")
    (tmp_path / ".gitattributes").write_text("* -text", "utf-8")
    uncovered = ("uncovered", name, "loaded, and not covered")
    found = told(scan_model(tmp_path, frozenset({"config.json"})))
    assert [each for each in found if each[0] == "uncovered"] == [uncovered]
    covered = told(scan_model(tmp_path, frozenset({"config.json", name})))
    assert covered == [each for each in found if each != uncovered]


def test_generation_code_is_taken_because_it_lies_there(tmp_path: Path) -> None:
    folder = model(tmp_path, **{"custom_generate/generate.py": b"from .more import x\n"})
    report = scan_model(folder)
    assert [each for each in told(report) if each[0] == "code-at-load"] == [
        ("code-at-load", "custom_generate/generate.py",
         "custom_generate refers to 'custom_generate/generate.py'"),
        ("code-at-load", "custom_generate/generate.py",
         "import refers to 'custom_generate/more.py', which is not there"),
    ]  # fmt: skip


def test_what_libraries_write_of_themselves_is_no_code(tmp_path: Path) -> None:
    files = {
        "config.json": {
            "attn_implementation": "flash_attention_2", "activation_function": "gelu_new",
            "vision_config": {"_attn_implementation": "sdpa"}, "types": ["a.b"],
            "pretrained_cfg": {"tag": "in1k", "url": ""}, "architecture": "resnet50",
            "sbert_ce_default_activation_function": "torch.nn.modules.linear.Identity",
        },
        "1_Dense/config.json": {"activation_function": "torch.nn.modules.activation.Tanh"},
        "router_config.json": {"types": {"q": "sentence_transformers.models.Transformer"}},
        "adapter_config.json": {
            "megatron_core": "megatron.core",
            "auto_mapping": {
                "base_model_class": "X", "parent_library": "transformers.models.x.modeling_x"
            },
        },
        "tokenizer_config.json": {"vocab_file": "vocab.txt", "tokenizer_file": None},
        "model_index.json": {
            "_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"],
            "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
            "image_encoder": [None, None], "sizes": [1, 2],
        },
    }  # fmt: skip
    assert told(scan_model(model(tmp_path, **files))) == []


def test_a_file_in_place_of_a_module_of_diffusers_is_code(tmp_path: Path) -> None:
    name = "safety_checker/stable_diffusion.py"
    index = {"safety_checker": ["stable_diffusion", "Checker"]}
    report = scan_model(model(tmp_path, model_index=index, **{name: b"x = 1\n"}))
    assert kinds(report) == [("code", name)]


def test_weights_of_a_hub_are_named(tmp_path: Path) -> None:
    config = {"timm_model": "hf-hub:acme/tower", "pretrained_cfg": {"hf_hub_id": "acme/vit"}}
    report = scan_model(model(tmp_path, config=config))
    assert sorted(kinds(report)) == [
        ("remote model", "acme/vit"), ("remote model", "hf-hub:acme/tower"),
    ]  # fmt: skip


def test_tokenizers_and_indices_refer_to_nothing_and_are_not_read_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["config.json", "model.safetensors.index.json", "model_index.json", "tokenizer.json"]
    folder = model(tmp_path, **{name: {"base_model_name_or_path": "acme/a"} for name in names})
    read: list[str] = []
    whole = Model.read

    def noted(self: Model, name: str, limit_bytes: int) -> bytes:
        read.append(name)
        return whole(self, name, limit_bytes)

    monkeypatch.setattr(Model, "read", noted)
    assert [each.config for each in load_closure(as_model(entries(folder)))] == [
        "config.json", "model_index.json",
    ]  # fmt: skip
    assert read == ["config.json", "model_index.json"]


def test_a_series_is_numbered_in_digits_of_ascii(tmp_path: Path) -> None:
    (tmp_path / "m-\u0660\u0660\u0660\u0660\u0662-of-00002.gguf").write_bytes(gguf({}))
    assert told(scan_model(tmp_path)) == []
