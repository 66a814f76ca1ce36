"""The kernels of each instruction set: one exported symbol, no C++ library, chosen by name."""

# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import lepton

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "cpp"
KERNELS = sorted(p for p in (SOURCES / "kernels").glob("*.cpp") if p.stem != "dispatch")
BUILD_FILE = (ROOT / "CMakeLists.txt").read_text()
FLAGS = {name: flags.split() for name, flags in re.findall(r"set\(ISA_(\w+) ([^)]*)\)", BUILD_FILE)}

# What a kernel may use: C headers, its own floor, nothing that the linker would share among copies.
C_HEADERS = {"stddef.h", "stdint.h", "math.h", "string.h"}

every_kernel = pytest.mark.parametrize("source", KERNELS, ids=lambda p: p.stem)


def compile_object(compiler: str, source: Path, isa: str, flags: list[str], target: Path) -> None:
    # -O0 shows every function that inlining would hide.
    arguments = [*flags, "-std=c++20", "-O0", "-fno-exceptions", "-fno-rtti", f"-DLEPTON_ISA={isa}"]
    command = [compiler, *arguments, f"-I{SOURCES}", "-c", str(source), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


@pytest.mark.skipif(not (shutil.which("g++") and shutil.which("nm")), reason="needs g++ and nm")
@pytest.mark.parametrize("isa", FLAGS)
@every_kernel
def test_an_object_exports_its_table_alone(source: Path, isa: str, tmp_path: Path) -> None:
    machine = subprocess.run(["g++", "-dumpmachine"], capture_output=True, text=True).stdout
    if not machine.startswith("x86_64"):
        pytest.skip(f"g++ compiles for {machine.strip()}, the flags are x86-64's")
    compile_object("g++", source, isa, FLAGS[isa], tmp_path / "kernel.o")
    names = subprocess.run(
        ["nm", "-C", "--defined-only", "--extern-only", str(tmp_path / "kernel.o")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    exported = [line.split(maxsplit=2)[2] for line in names]
    assert exported == [f"lepton::{isa}::{source.stem}_table"]


# Where Debian's and Ubuntu's libc6-dev-arm64-cross puts the C library's headers.
ARM = ["--target=aarch64-linux-gnu", "-isystem", "/usr/aarch64-linux-gnu/include"]


@pytest.mark.skipif(not shutil.which("clang++"), reason="needs clang++")
@pytest.mark.skipif(not Path(ARM[-1]).exists(), reason="needs libc6-dev-arm64-cross")
@every_kernel
def test_kernels_compile_for_arm(source: Path, tmp_path: Path) -> None:
    compile_object("clang++", source, "baseline", ARM, tmp_path / "kernel.o")


@pytest.mark.parametrize(
    "header",
    sorted(p for p in (SOURCES / "kernels").iterdir() if p.stem != "dispatch"),
    ids=lambda p: p.name,
)
def test_kernels_include_no_cpp_library(header: Path) -> None:
    included = set(re.findall(r'^\s*#include [<"]([^>"]+)[>"]', header.read_text(), re.M))
    foreign = {i for i in included if i not in C_HEADERS and not i.startswith("kernels/")}
    assert not foreign, (
        f"{header.name} includes {sorted(foreign)}; kernels may include {sorted(C_HEADERS)}"
    )
    assert "std::" not in re.sub(r"//.*", "", header.read_text()), f"{header.name} uses std::"


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize("isa", lepton.available_isas())
def test_environment_chooses(isa: str) -> None:
    done = run_python("import lepton; print(lepton.isa())", LEPTON_ISA=isa)
    assert done.stdout.strip() == isa, done.stderr


def test_unknown_name_is_refused() -> None:
    choices = ", ".join(lepton.available_isas())
    done = run_python("import lepton", LEPTON_ISA="sse9")
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1
    assert (
        last == f"ImportError: LEPTON_ISA: expects one of {choices} (what this CPU has), got sse9"
    )
    before = lepton.isa()
    with pytest.raises(ValueError, match=re.escape(f"set_isa: expects one of {choices}")):
        lepton.set_isa("sse9")
    assert lepton.isa() == before
