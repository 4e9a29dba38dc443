import Glibc
import Testing

/// Standard input, standard output and pipes as sources and destinations, and files whose length is
/// not known before their end.
@Suite(.timeLimit(.minutes(2))) struct StreamTests {
  let sandbox: Sandbox

  init() throws { sandbox = try Sandbox() }

  @Test func putReadsStandardInputAndGetWritesStandardOutput() async throws {
    sandbox.writeNoise(3_000_000, to: sandbox.folder + "/source")
    let put = try await sandbox.shell("cat source | telpher put - copy".inHome)
    #expect(put.status == 0, "\(put.errorText)")
    let get = try await sandbox.shell("telpher get copy - | cmp - source".inHome)
    #expect(get.status == 0, "\(get.errorText)")
    #expect(try await sandbox.partials() == [])
  }

  @Test func parentsOfStandardInputsDestinationAreMadeOnRequest() async throws {
    let refused = try await sandbox.shell("echo new | telpher put - a/b/c".inHome)
    #expect(refused.status == 1)
    #expect(refused.errorText.contains("does not exist; --parents makes it"))
    let made = try await sandbox.shell(
      "echo new | telpher put --parents - a/b/c && cat a/b/c".inHome)
    #expect(made.status == 0, "\(made.errorText)")
    #expect(made.text == "new\n")
  }

  @Test(arguments: ["one into/", "one two into"])
  func getNamesAMissingFolderAndTheOption(_ arguments: String) async throws {
    let result = try await sandbox.shell("touch one two; telpher get \(arguments)".inHome)
    #expect(result.status == 1)
    #expect(result.errorText.contains("does not exist; --parents makes it"))
    let made = try await sandbox.shell("telpher get --parents \(arguments) && ls into".inHome)
    #expect(made.status == 0, "\(made.errorText)")
    #expect(made.text.hasPrefix("one\n"))
  }

  @Test func processSubstitutionWorksAsASource() async throws {
    let line = "bash -c 'telpher put <(seq 1 100000) numbers && seq 1 100000 | cmp - numbers'"
    let result = try await sandbox.shell(line.inHome)
    #expect(result.status == 0, "\(result.errorText)")
  }

  @Test func aNamedPipeAndAFileWorkAsSourcesTogether() async throws {
    let line =
      "mkdir into; mkfifo pipe; echo 1 >one; (echo 2 >pipe) & telpher put one pipe into && cat into/*"
    let result = try await sandbox.shell(line.inHome)
    #expect(result.status == 0, "\(result.errorText)")
    #expect(result.text == "1\n2\n")
  }

  @Test func puttingStandardInputToAFileWithASlashLeavesItUnchanged() async throws {
    let result = try await sandbox.shell("echo old >copy; telpher put - copy/ </dev/null".inHome)
    #expect(result.status == 1)
    #expect(try await sandbox.text(of: sandbox.folder + "/copy") == "old\n")
  }

  @Test func anErrorOfStandardOutputFails() async throws {
    sandbox.writeNoise(3_000_000, to: sandbox.folder + "/source")
    let result = try await sandbox.shell("telpher get source - >/dev/full".inHome)
    #expect(result.status == 1)
    #expect(result.errorText.contains("standard output"))
    #expect(result.errorText.contains("No space left on device"))
  }

  @Test func getEndsSilentlyIfItsReaderCloses() async throws {
    sandbox.writeNoise(3_000_000, to: sandbox.folder + "/source")
    let result = try await sandbox.shell(
      "bash -c 'telpher get source - | head -c 1 >/dev/null; echo ${PIPESTATUS[0]}'".inHome)
    #expect(result.text == "141\n")
    #expect(result.errorText == "")
  }

  @Test(arguments: [".", "..", "into/..", "/"])
  func standardInputNeedsAFileName(_ destination: String) async throws {
    let result = try await sandbox.shell(
      "mkdir into; telpher put - \(destination) </dev/null".inHome)
    #expect(result.status == 1)
    #expect(result.errorText.contains("standard input has no file name: name the file to write"))
  }

  @Test(arguments: [["--json", "a", "-"], ["-r", "a", "-"], ["a", "b", "-"]])
  func standardOutputTakesExactlyOneFile(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(["get"] + arguments)).finish()
    #expect(result.status == 64 || result.status == 125)
    #expect(result.errorText.contains("tandard output"))
  }

  @Test func aFileInProcIsCopiedCompletely() async throws {
    let put = try await sandbox.shell("telpher put /proc/version v && cmp v /proc/version".inHome)
    #expect(put.status == 0, "\(put.errorText)")
    let server = try await sandbox.serve("--root", "/proc")
    let get = try await sandbox.shell(
      "telpher get version w && cmp w /proc/version && telpher get version - | cmp - w".inHome)
    #expect(get.status == 0, "\(get.errorText)")
    server.server.signal(SIGTERM)
    _ = await server.server.finish()
  }

  @Test func theRecordOfAStreamHasADigest() async throws {
    let result = try await sandbox.telpher(
      "put", "--json", "--digest", "sha256", "-", "copy", input: "hello\n")
    #expect(result.status == 0)
    let sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
    #expect(result.text.contains(#""digest":"\#(sum)""#))
  }
}

extension String {
  fileprivate var inHome: String { "cd \"$HOME\" && { \(self); }" }
}
