import ArgumentParser
import TelpherClient
import TelpherTestSupport
import Testing

@testable import TelpherCLI

struct ShortenedArgumentsTests {
  /// What the command line means: the command with its options and paths, or the error.
  private static func meaning(_ parse: () throws -> any ParsableCommand) -> [String] {
    do {
      guard var command = try parse() as? any TakesManyPaths else { return ["another command"] }
      let paths = command.paths.map { "\($0.path)" }
      command.paths = []
      return ["\(command)"] + paths
    } catch {
      return ["\(RootCommand.exitCode(for: error))", RootCommand.message(for: error)]
    }
  }

  private static func check(_ arguments: [String]) {
    let alone = meaning { try RootCommand.parseAsRoot(arguments) }
    let shortened = meaning { try Program.parseShortened(arguments) }
    #expect(shortened == alone, "\(arguments)")
  }

  /// Single arguments, and options with their values.
  private static let words: [[String]] = [
    ["-r"], ["-p"], ["-L"], ["-rx"], ["--json"], ["--quiet"], ["--unknown"], ["--help"], ["-"],
    ["--"], [""], ["--on", "unix:/s"], ["--on=unix:/s"], ["--on"], ["--digest", "md5"],
    ["--digest", "none"], ["--if-exists", "newer"], ["--connect-timeout", "3"],
    ["--trust-uid", "4"], ["--trust-uid"], ["host:file"], ["unix:file"], ["./a:b"], ["-9"],
    ["-\u{301}"],
    [ArgumentText.text(of: [0x61, 0xFF])],
  ]

  @Test(arguments: ["put", "get", "rm", "mkdir", "stat"])
  func meansTheSameAsTheWholeCommandLine(_ command: String) {
    var random = SeededGenerator(seed: 20_261_126)
    for _ in 0..<40 {
      var arguments = [command]
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let row = Int.random(in: 0...20, using: &random)
        arguments += (0..<row).map { "f\($0)" }
        // Most command lines must be right, to reach the comparison of their paths.
        let choice = Self.words.randomElement(using: &random) ?? []
        if Int.random(in: 0..<3, using: &random) == 0 { arguments += choice }
      }
      if Bool.random(using: &random) { arguments.append("-") }
      Self.check(arguments)
    }
  }

  @Test func shortensLongRowsOnly() throws {
    let row = (1...1_000).map { "f\($0)" }
    let arguments = ["put", "-r", "a", "--on", "unix:s"] + row + ["--json", "--"] + row + ["dir"]
    let shortened = ShortenedArguments(arguments)
    #expect(shortened.arguments.count < 20)
    let parsed = try Program.parse(arguments)
    let put = try #require(parsed as? PutCommand)
    #expect(put.paths.map { "\($0.path)" } == ["a"] + row + row + ["dir"])
    #expect(put.server.address == "unix:s" && put.flags.json && put.flags.recursive)
  }

  @Test func reportsAPathInALongRowThatCannotBeUsed() {
    let row =
      (1...200).map { "f\($0)" } + ["unix:a", "host:b", "unix:b"] + (1...200).map { "g\($0)" }
    Self.check(["put"] + row)
  }
}
