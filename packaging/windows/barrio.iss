; The installer for Windows, made by Inno Setup 6 after PyInstaller, from the root of the checkout:
;   python -m PyInstaller packaging\bundles\barrio.spec
;   iscc /DVersion=0.1.0 packaging\windows\barrio.iss
; With /DSign, ISCC's sign tool of the name "barrio" signs the programs and the installer.
; Installs for the user alone, without asking for an administrator, unless one runs it. Data stays when it is removed.

#ifndef Version
  #error Say which version: /DVersion=0.1.0
#endif

[Setup]
AppId={{6C7F4E0B-52B1-4E57-9A8B-4D2E58C3F0A1}
AppName=Barrio
AppVersion={#Version}
AppPublisher=The developers of Barrio
ArchitecturesAllowed=x64compatible
ArchitecturesInstallIn64BitMode=x64compatible
DefaultDirName={autopf}\Barrio
DefaultGroupName=Barrio
DisableProgramGroupPage=yes
LicenseFile=..\..\LICENSE
MinVersion=10.0.17763
OutputBaseFilename=barrio-{#Version}-windows-x86_64
OutputDir=..\..\dist
PrivilegesRequired=lowest
PrivilegesRequiredOverridesAllowed=dialog
SetupIconFile=barrio.ico
UninstallDisplayIcon={app}\barrio.exe
WizardStyle=modern
Compression=lzma2/max
SolidCompression=yes
CloseApplications=yes
RestartApplications=no
#ifdef Sign
SignTool=barrio
SignedUninstaller=yes
#endif

[Languages]
Name: "english"; MessagesFile: "compiler:Default.isl"
Name: "spanish"; MessagesFile: "compiler:Languages\Spanish.isl"

[CustomMessages]
english.Autostart=Start Barrio when I log in
spanish.Autostart=Iniciar Barrio al iniciar sesión

[Tasks]
Name: "desktopicon"; Description: "{cm:CreateDesktopIcon}"; Flags: unchecked
Name: "autostart"; Description: "{cm:Autostart}"; Flags: unchecked

[InstallDelete]
; Libraries that an earlier version brought and this one does not.
Type: filesandordirs; Name: "{app}\_internal"

[Files]
Source: "..\..\dist\barrio\*"; DestDir: "{app}"; Flags: recursesubdirs ignoreversion
Source: "..\..\LICENSE"; DestDir: "{app}"; Flags: ignoreversion

[Icons]
Name: "{group}\Barrio"; Filename: "{app}\barrio.exe"
Name: "{autodesktop}\Barrio"; Filename: "{app}\barrio.exe"; Tasks: desktopicon

[Registry]
Root: HKA; Subkey: "Software\Classes\barrio"; ValueType: string; ValueData: "URL:Barrio"; Flags: uninsdeletekey
Root: HKA; Subkey: "Software\Classes\barrio"; ValueType: string; ValueName: "URL Protocol"; ValueData: ""
Root: HKA; Subkey: "Software\Classes\barrio\DefaultIcon"; ValueType: string; ValueData: "{app}\barrio.exe,0"
Root: HKA; Subkey: "Software\Classes\barrio\shell\open\command"; ValueType: string; ValueData: """{app}\barrio.exe"" ""%1"""
Root: HKCU; Subkey: "Software\Microsoft\Windows\CurrentVersion\Run"; ValueType: string; ValueName: "Barrio"; ValueData: """{app}\barrio.exe"""; Tasks: autostart; Flags: uninsdeletevalue

[Run]
Filename: "{app}\barrio.exe"; Description: "{cm:LaunchProgram,Barrio}"; Flags: nowait postinstall skipifsilent
