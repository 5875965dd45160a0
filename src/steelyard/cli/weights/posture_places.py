"""Where a collection looks, and what it is about, from what was typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from steelyard.attest import Subject
    from steelyard.weights.posture.collectors import Scope


def followed(path: Path) -> Path:
    """A path through its links.

    Raises:
        UsageError: they lead to themselves, or nowhere that may be seen.
    """
    from steelyard.kernel.errors import UsageError

    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise UsageError("its links cannot be followed", where=str(path)) from error


def places(model: Path, sealed: Path | None) -> tuple[Path | None, Path | None]:
    """Where the weights lie in the clear and sealed, as absolute paths.

    Raises:
        UsageError: no folder, two folders of sealed weights, or links that lead to themselves.
    """
    from steelyard.kernel.errors import UsageError

    if not model.is_dir():
        message = "expected a folder with weights"
        raise UsageError(message, where=str(model))
    whole = followed(model)
    if not (model / "sealed.json").exists():
        return whole, followed(sealed) if sealed else None
    if sealed is not None:
        raise UsageError("both are folders of sealed weights", where="--sealed")
    return None, whole


def model_subject(model: Path, scope: Scope, name: str | None, root: str | None) -> Subject:
    """What the observations are about: the plain model's name and manifest root.

    Raises:
        UsageError: no root where only sealed weights lie, or one that is not the model's.
    """
    from steelyard.attest import Subject, manifest_root
    from steelyard.kernel import check_label, check_sha256
    from steelyard.kernel.errors import UsageError

    label = name or followed(model).name
    try:
        check_label(label)
        if root is not None:
            check_sha256(root)
    except ValueError as error:
        raise UsageError(str(error), where="--name, --model-root") from error
    if scope.model is None:
        if root is None:
            message = "sealed weights do not show the manifest root of the model"
            hint = "--model-root HEX, as the model's passport names its subject"
            raise UsageError(message, where=str(model), hint=hint)
        return Subject(label, root)
    found = manifest_root(scope.model)
    if root not in (None, found):
        message = f"the model's manifest root is {found}, not {root}"
        raise UsageError(message, where="--model-root")
    return Subject(label, found)
