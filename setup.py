"""Maps the top-level rooms to the `deskhand.*` namespace; everything else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = ("core", "models", "memory", "agents", "app", "integrations")

packages: list[str] = []
for room in ROOMS:
    packages.append(f"deskhand.{room}")
    packages += [f"deskhand.{room}.{name}" for name in find_packages(room)]

setup(packages=packages, package_dir={f"deskhand.{room}": room for room in ROOMS})
