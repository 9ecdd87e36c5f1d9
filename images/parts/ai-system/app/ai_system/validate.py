"""The configuration check: `python3 -m ai_system.validate [ENVIRONMENT] [DIRECTORY]`."""

import sys
from pathlib import Path

from .config import validate_environment_config


def main(arguments: list[str]) -> int:
    """Prints what is wrong; 0 when nothing is."""
    environment, directory = (arguments + ["dev", "/opt/ai_system/config"][len(arguments):])[:2]
    result = validate_environment_config(environment, Path(directory))
    if result.valid:
        print(f"configuration of {environment}: valid")
        return 0
    print(f"configuration of {environment}: {len(result.errors)} problems")
    for error in result.errors:
        print(f"  - {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
