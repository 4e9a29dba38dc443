import Glibc
import Testing

struct RunOutputTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func argumentsArriveUnchanged() async throws {
    let words = ["a b", "$HOME", "", "--", "-x", "--json", "*", "ä\n'\""]
    let result = await (try sandbox.start(["run", "--", "printf", "[%s]"] + words)).finish()
    #expect(result.text == words.map { "[\($0)]" }.joined())
  }

  @Test func optionsAfterTheCommandBelongToIt() async throws {
    let result = try await sandbox.telpher("run", "echo", "--json", "-i", "--help")
    #expect(result.text == "--json -i --help\n")
  }

  @Test func allBytesArriveUnchanged() async throws {
    let result = try await sandbox.telpher(
      "run", "--", "sh", "-c", #"printf '\000\377\200\r\n'; printf '\376' >&2"#)
    #expect(result.output == [0, 255, 128, 13, 10])
    #expect(result.error == [254])
  }

  @Test func manyMegabytesArriveInOrder() async throws {
    let result = try await sandbox.shell(
      "telpher run -- seq 1 1000000 | cksum; seq 1 1000000 | cksum")
    let sums = result.text.split(separator: "\n")
    #expect(sums.count == 2 && sums.first == sums.last)
    #expect(result.errorText.isEmpty)
  }

  @Test func standardErrorArrivesWhileStandardOutputIsNotRead() async throws {
    let child = try sandbox.start([
      "run", "--", "sh", "-c",
      "head -c 3000000 /dev/zero; echo done >&2; head -c 3000000 /dev/zero",
    ])
    // Standard error is read to its end first, and standard output is not read meanwhile.
    let result = await child.finish()
    #expect(result.output.count == 6_000_000)
    #expect(result.errorText == "done\n")
  }

  /// The temporary server keeps reading too, so the background process does not get SIGPIPE.
  @Test func aHeldOutputIsReportedAndTheServerKeepsReadingIt() async throws {
    let line = """
      telpher run --drain 0ms -- sh -c '(until [ -e "$HOME/go" ]; do sleep 0.01; done
        head -c 262144 /dev/zero && : >"$HOME/done") & echo early'
      : >"$HOME/go"; until [ -e "$HOME/done" ]; do sleep 0.01; done
      """
    let result = try await sandbox.shell(line)
    #expect(result.text == "early\n")
    #expect(result.errorText.hasPrefix("telpher: the command has ended, but a process"))
    #expect(result.errorText.contains("--drain"))
    #expect(result.status == 0)
  }

  /// `finish` waits until both outputs are closed, so the temporary server must not have them open.
  @Test func aBackgroundProcessDoesNotKeepTheClientsOutputsOpen() async throws {
    let result = try await sandbox.telpher(
      "run", "--drain", "0ms", "--", "sh", "-c", "sleep 600 & echo $!")
    let pid = try #require(Int32(result.text.dropLast()))
    #expect(isRunning(pid))
    kill(pid, SIGKILL)
  }

  @Test func aLongerDrainPrintsLateOutput() async throws {
    for drain in ["1h", "forever"] {
      let line = """
        telpher run --drain \(drain) -- sh -c '
          (while kill -0 $$ 2>/dev/null && ! grep -q "^State:.Z" /proc/$$/status; do sleep 0.01; done
           echo late) & echo early'
        """
      let result = try await sandbox.shell(line)
      #expect(result.text == "early\nlate\n")
      #expect(result.errorText.isEmpty)
    }
  }

  @Test func closingTheOutputEndsTheCommand() async throws {
    let result = try await sandbox.shell("(telpher run -- yes; echo $? >&2) | head -1")
    #expect(result.text == "y\n")
    #expect(result.errorText == "141\n")
  }

  @Test func aFullDiskIsReported() async throws {
    let result = try await sandbox.shell("telpher run -- echo x >/dev/full")
    #expect(result.status == 125)
    #expect(result.errorText == "telpher: cannot write standard output: No space left on device\n")
  }

  @Test func aClosedOutputIsReported() async throws {
    let result = try await sandbox.shell("telpher run -- echo x >&-")
    #expect(result.status == 125)
    #expect(result.errorText == "telpher: cannot write standard output: Bad file descriptor\n")
    #expect(try await sandbox.shell("telpher run -- true >&- 2>&- <&-").status == 0)
  }

  @Test func outputArrivesWhileTheCommandRuns() async throws {
    let child = try sandbox.start(["run", "-i", "--", "cat"], input: .pipe)
    await child.write("one\n")
    #expect(await child.line() == "one")
    await child.write("two\n")
    #expect(await child.line() == "two")
    child.closeInput()
    #expect(await child.finish().status == 0)
  }

  @Test func mergeJoinsBothOutputs() async throws {
    let result = try await sandbox.telpher(
      "run", "--merge", "--", "sh", "-c", "echo a; echo b >&2; echo c")
    #expect(result.text == "a\nb\nc\n")
    #expect(result.error.isEmpty)
  }

  @Test func theStandardStreamsAreNotSockets() async throws {
    let result = try await sandbox.telpher(
      "run", "--shell", "--", "echo a >/dev/stdout; echo b >/dev/stderr")
    #expect(result.text == "a\n")
    #expect(result.errorText == "b\n")
  }

  @Test func shellJoinsWordsWithSpaces() async throws {
    let result = try await sandbox.telpher("run", "--shell", "echo", "a", "|", "tr", "a", "b")
    #expect(result.text == "b\n")
  }

  @Test func envAndCwdAreApplied() async throws {
    let result = try await sandbox.telpher(
      "run", "--env", "A=1=2", "--env", "EMPTY=", "--cwd", "/usr", "--", "sh", "-c",
      "echo \"$A,${EMPTY-unset}\"; pwd")
    #expect(result.text == "1=2,\n/usr\n")
  }
}
