import Glibc
import Testing

/// The working directory and environment of a command if the user names no server. They are the
/// same with a server at the default socket and with a temporary server.
struct RunSurroundingsTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// Runs a shell line, with and without a server at the default socket.
  private func shell(_ line: String, _ check: (Finished) throws -> Void) async throws {
    try check(try await sandbox.shell(line))
    let (server, _) = try await sandbox.serve()
    try check(try await sandbox.shell(line))
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func nothingRunsFromARemovedFolder() async throws {
    let line = "mkdir \"$HOME/d\"; cd \"$HOME/d\"; rmdir \"$HOME/d\"; telpher run -- pwd"
    try await shell(line) { result in
      #expect(result.status == 125)
      #expect(result.output.isEmpty)
      #expect(
        result.errorText.hasPrefix(
          "telpher: the working directory can't be passed on to the command: No such file"))
    }
    let named = line.replacing("run --", with: "run --cwd / --")
    try await shell(named) { #expect($0.text == "/\n") }
  }

  @Test func theWorkingDirectoryMayHaveAnyBytes() async throws {
    let line = #"d="$HOME/$(printf '\376')"; mkdir -p "$d"; cd "$d"; telpher run -- pwd"#
    try await shell(line) { result in
      #expect(result.status == 0)
      #expect(result.output == Array(sandbox.folder.utf8) + [0x2F, 0xFE, 0x0A])
    }
  }

  @Test func theEnvironmentIsTheCallersWithAllBytes() async throws {
    let line = #"FOO=$(printf '\377') BAR=1 telpher run -- sh -c 'printf %s "$FOO-$BAR-$UNSET"'"#
    try await shell(line) { #expect($0.output == [0xFF] + Array("-1-".utf8)) }
    let replaced = "FOO=1 telpher run --env FOO=2 -- sh -c 'echo $FOO'"
    try await shell(replaced) { #expect($0.text == "2\n") }
  }

  @Test func theServersVariablesAreNotInherited() async throws {
    let server = try sandbox.start(["serve"], environment: ["ONLY_ITS": "x"])
    _ = await server.line()
    let line = "telpher run -- sh -c 'echo ${ONLY_ITS-none}'"
    #expect(try await sandbox.shell(line).text == "none\n")
    // A named server gives its own variables.
    let named = line.replacing("run", with: "run --on unix:\(sandbox.socket)")
    #expect(try await sandbox.shell(named).text == "x\n")
    server.signal(SIGTERM)
    #expect(await server.finish().status == 0)
  }

  @Test func pwdIsTheWorkingDirectory() async throws {
    try await shell("cd /; telpher run --cwd /tmp -- env | grep ^PWD=") {
      #expect($0.text == "PWD=/tmp\n")
    }
    // PWD keeps the symlink through which the user entered the folder.
    try await shell("ln -sfn /usr \"$HOME/l\"; cd \"$HOME/l\"; telpher run -- env | grep ^PWD=") {
      #expect($0.text == "PWD=\(sandbox.folder)/l\n")
    }
  }

  @Test func aRelativeCwdStartsInTheWorkingDirectory() async throws {
    try await shell("cd /usr; telpher run --cwd bin/.. -- pwd") { #expect($0.text == "/usr\n") }
  }

  @Test func argumentsOptionsAndShellLinesMayHaveAnyBytes() async throws {
    let line = #"""
      b=$(printf '\377'); mkdir "$HOME/$b"; telpher run --cwd "$HOME/$b" --env "A=$b" \
      -- sh -c 'printf %s "$1$A"; pwd' sh "$b"; telpher run --shell -- printf %s "$b"
      """#
    #expect(
      try await sandbox.shell(line).output
        == [0xFF, 0xFF] + Array(sandbox.folder.utf8) + [0x2F, 0xFF, 0x0A, 0xFF])
  }

  @Test func manyArgumentsAndALongVariableArrive() async throws {
    let many = "seq 1 20000 | xargs -s 200000 telpher run -- sh -c 'echo $#' sh"
    try await shell(many) { #expect($0.text == "20000\n") }
    let long = "A=$(head -c 70000 /dev/zero | tr '\\0' x) telpher run -- sh -c 'echo ${#A}'"
    try await shell(long) { #expect($0.text == "70000\n") }
  }
}
