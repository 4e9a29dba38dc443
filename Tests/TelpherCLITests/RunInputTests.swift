import Glibc
import Testing

struct RunInputTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test func inputIsForwardedWithItsEnd() async throws {
    #expect(try await sandbox.telpher("run", "-i", "--", "cat", input: "x").text == "x")
    let sorted = try await sandbox.telpher("run", "-i", "--", "sort", input: "b\na\n")
    #expect(sorted.text == "a\nb\n")
  }

  @Test func filesAndDevicesWorkAsInput() async throws {
    sandbox.write("from a file\n", to: sandbox.folder + "/file")
    let file = try await sandbox.shell("telpher run -i -- cat <\"$HOME/file\"")
    #expect(file.text == "from a file\n")
    let null = try await sandbox.shell("telpher run -i -- cat </dev/null; echo $?")
    #expect(null.text == "0\n")
  }

  @Test func withoutTheOptionInputIsNotRead() async throws {
    let result = try await sandbox.shell(
      "printf 'a\\nb\\nc\\n' | while read h; do telpher run -- cat; echo $h; done")
    #expect(result.text == "a\nb\nc\n")
  }

  @Test func anEndedCommandDoesNotWaitForInput() async throws {
    let child = try sandbox.start(["run", "-i", "--", "sh", "-c", "exit 3"], input: .pipe)
    #expect(await child.finish().status == 3)
  }

  @Test func inputThatTheCommandDoesNotReadIsNoError() async throws {
    let result = try await sandbox.shell("yes | telpher run -i -- head -1; echo $?")
    #expect(result.text == "y\n0\n")
    #expect(result.errorText.isEmpty)
  }

  @Test func muchInputArrivesCompletely() async throws {
    let result = try await sandbox.shell(
      "seq 1 1000000 | telpher run -i -- cat | cksum; seq 1 1000000 | cksum")
    let sums = result.text.split(separator: "\n")
    #expect(sums.count == 2 && sums.first == sums.last)
  }

  @Test func closingTheOutputsEarlyDoesNotEndTheInput() async throws {
    let path = sandbox.folder + "/kept"
    let child = try sandbox.start(
      ["run", "-i", "--", "sh", "-c", "exec >&- 2>&-; cat >\(path)"], input: .pipe)
    await child.write("first\n")
    // Once the file exists, the server has already reported the end of the outputs.
    while access(path, F_OK) != 0 { try await Task.sleep(for: .milliseconds(5)) }
    await child.write("second\n")
    child.closeInput()
    #expect(await child.finish().status == 0)
    #expect(try await sandbox.shell("cat \(path)").text == "first\nsecond\n")
  }

  @Test func theStandardStreamsStayBlocking() async throws {
    let result = try await sandbox.shell(
      "yes | (telpher run -i -- head -1; grep flags /proc/self/fdinfo/0)")
    #expect(result.text.hasPrefix("y\n"))
    // O_NONBLOCK is 04000.
    let flags = result.text.split(whereSeparator: \.isWhitespace).last.flatMap { Int($0, radix: 8) }
    #expect(flags.map { $0 & 0o4000 } == 0)
  }
}
