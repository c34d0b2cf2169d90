"""What Windows shows as the properties of each program. Pure: PyInstaller reads the text."""

DESCRIPTIONS = {
    "barrio": "Barrio",
    "barrio-peer": "Barrio: headless peer and command line",
    "barrio-central": "Barrio: directory service",
}


def version_data(program: str, version: str) -> str:
    """`version`: MAJOR.MINOR.PATCH, and whatever follows; Windows wants four numbers."""
    numbers = tuple(int(part) for part in version.split("+")[0].split("-")[0].split(".")[:3])
    four = (*numbers, *([0] * (4 - len(numbers))))
    strings = {
        "CompanyName": "The developers of Barrio",
        "FileDescription": DESCRIPTIONS[program],
        "FileVersion": version,
        "InternalName": program,
        "LegalCopyright": "Apache License 2.0",
        "OriginalFilename": f"{program}.exe",
        "ProductName": "Barrio",
        "ProductVersion": version,
    }
    structs = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in strings.items())
    # 0x0409, 1200: English, Unicode. 0x40004, 1: Windows on 32 bits or more, a program.
    return (
        "VSVersionInfo(\n"
        f"  ffi=FixedFileInfo(filevers={four!r}, prodvers={four!r}, mask=0x3F, flags=0x0, OS=0x40004, fileType=0x1, "
        "subtype=0x0, date=(0, 0)),\n"
        f"  kids=[StringFileInfo([StringTable('040904B0', [{structs}])]), "
        "VarFileInfo([VarStruct('Translation', [1033, 1200])])]\n)\n"
    )
