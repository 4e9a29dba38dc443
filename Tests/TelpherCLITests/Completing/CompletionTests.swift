import Glibc
import Testing

/// What a shell offers when the user presses the tab key, asked of the program as the completion
/// scripts ask it.
struct CompletionTests {
  let sandbox: Sandbox
  init() throws {
    sandbox = try Sandbox()
    for folder in ["/.config", "/.config/telpher", "/.ssh", "/.ssh/more"] {
      mkdir(sandbox.folder + folder, 0o700)
    }
    sandbox.write("host build\nhost web\n", to: sandbox.folder + "/.config/telpher/config")
    sandbox.write(
      """
      # Host no
      Host one two *.example.com !three
        HostName x
      host=four
      Match host five
      Include more/* ~/.ssh/absent
      """, to: sandbox.folder + "/.ssh/config")
    // A file that includes itself ends.
    sandbox.write("Host \"six\" build\nInclude more/a\n", to: sandbox.folder + "/.ssh/more/a")
  }

  private static let hosts = ["build", "four", "one", "six", "two", "web"]

  /// What is offered for the last of `words`, the words of a command line.
  private func offered(_ argument: [String], _ words: [String]) async throws -> [String] {
    let child = try Child(
      ["/bin/sh", "-c", "cd \"$HOME\" && exec \"$0\" \"$@\"", Sandbox.program, "---completion"]
        + argument + ["\(words.count - 1)", "0"] + words,
      environment: sandbox.environment.merging(["SAP_SHELL": "bash"]) { $1 })
    let result = await child.finish()
    #expect(result.status == 0)
    #expect(result.errorText == "")
    return result.text.split(separator: "\n").map(String.init)
  }

  @Test func hostsAreThoseOfTheConfigurationAndOfSSH() async throws {
    #expect(
      try await offered(["run", "--", "--on"], ["telpher", "run", "--on", ""]) == Self.hosts)
    #expect(
      try await offered(
        ["on", "--", "positional@0"], ["telpher", "on", "b"]) == Self.hosts)
  }

  @Test func aMistakeInTheConfigurationPrintsNothing() async throws {
    sandbox.write("hots build\n", to: sandbox.folder + "/.config/telpher/config")
    mkfifo(sandbox.folder + "/.ssh/more/b", 0o600)
    #expect(
      try await offered(["run", "--", "--on"], ["telpher", "run", "--on", ""])
        == ["build", "four", "one", "six", "two"])
  }

  @Test func afterTwoDashesCommandsAndFilesAreOffered() async throws {
    sandbox.addProgram("reach-me", "")
    sandbox.write("", to: sandbox.folder + "/reach-file")
    sandbox.write("", to: sandbox.folder + "/bin/reach-not")
    mkdir(sandbox.folder + "/reach-folder", 0o700)
    let positional = ["positional@0"]
    for command in [["telpher", "run"], ["telpher", "on", "web"]] {
      let ask = [command[1], "--"] + positional
      #expect(
        try await offered(ask, command + ["--", "reach-"]) == [
          "reach-me", "reach-file", "reach-folder/",
        ])
      #expect(
        try await offered(ask, command + ["--", "make", "reach-f"])
          == ["reach-file", "reach-folder/"])
      #expect(
        try await offered(ask, command + ["--", "make", "bin/reach-n"]) == ["bin/reach-not"])
    }
  }

  @Test func pathsAreHostsWithAColonAndFiles() async throws {
    sandbox.write("", to: sandbox.folder + "/b c")
    #expect(
      try await offered(["put", "--", "positional@0"], ["telpher", "put", "b\\ "])
        == Self.hosts.map { $0 + ":" } + ["b c"])
  }

  /// A script that bash can't read would break every shell that loads it.
  @Test(.enabled(if: access("/bin/bash", X_OK) == 0, "needs bash"))
  func bashCompletesAHost() async throws {
    let result = try await sandbox.shell(
      """
      telpher --generate-completion-script bash >"$HOME/script" && /bin/bash -c '
        . "$HOME/script"
        COMP_WORDS=(telpher on bu) COMP_CWORD=2 COMP_LINE="telpher on bu" COMP_POINT=13
        _telpher telpher bu on; printf "%s\\n" "${COMPREPLY[@]}"'
      """)
    #expect(result.text == "build\n")
    #expect(result.errorText == "")
  }
}
