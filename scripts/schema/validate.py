"""Holds scenarios against the schema on stdin. Run it by scripts/check-schema."""

import json
import pathlib
import re
import sys
import tomllib

from jsonschema import Draft202012Validator

SCHEMA = json.load(sys.stdin)
Draft202012Validator.check_schema(SCHEMA)


def lenient(schema):
    """The same for a part of a scenario, which may lack what a whole one needs."""
    if isinstance(schema, list):
        return [lenient(value) for value in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "required" and isinstance(value, list))}
    return {key: lenient(value) for key, value in kept.items()}


PART = lenient(SCHEMA)
POLICY = {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/PolicySettings"}


def errors(schema, text):
    """What is wrong with a text of TOML, in lines."""
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [f"is no TOML: {error}"]
    found = Draft202012Validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def wholes():
    """Scenarios: their names and texts."""
    for folder in ("scenarios", "deploy"):
        for path in sorted(pathlib.Path(folder).rglob("*.toml")):
            yield str(path), path.read_text()


def blocks():
    """Blocks of TOML in the docs: where they stand, and their texts."""
    for path in sorted(pathlib.Path("docs").glob("*.md")):
        text = path.read_text()
        for block in re.finditer(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, block.start()) + 2
            yield f"{path}:{line}", block.group(1)


def must_fail(text):
    """Whether the validator sees keys that are not there: one that finds nothing would pass everything."""
    for wrong in (f"no_such_key = 1\n{text}", text.replace("[load]", "[load]\nno_such_key = 1")):
        if not any("no_such_key" in error for error in errors(SCHEMA, wrong)):
            sys.exit("a scenario with a key that is not there passes")


def main():
    failed = []
    checked = 0
    for name, text in wholes():
        checked += 1
        failed += [f"{name}: {error}" for error in errors(SCHEMA, text)]
    for path in sorted(pathlib.Path("profiles").glob("*.toml")):
        checked += 1
        failed += [f"{path}: {error}" for error in errors(POLICY, path.read_text())]
    for name, text in blocks():
        checked += 1
        # Docs show parts of scenarios, and profiles.
        as_scenario = errors(PART, text)
        if as_scenario and errors(POLICY, text):
            failed += [f"{name}: {error}" for error in as_scenario]
    must_fail(pathlib.Path("scenarios/quickstart.toml").read_text())
    if failed:
        sys.exit("\n".join(failed))
    print(f"{checked} scenarios, profiles and blocks of the docs are as the schema says")


main()
