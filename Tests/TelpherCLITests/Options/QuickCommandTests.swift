import ArgumentParser
import Foundation
import TelpherTestSupport
import Testing

@testable import TelpherCLI

/// Compares `QuickCommand` with the argument parser.
struct QuickCommandTests {
  /// Every option of `run`, `on`, `info` and `ping`, with values for it; none for a flag. Add a new
  /// option here, whether or not `QuickCommand` recognizes it.
  private static let options: [String: [String]] = [
    "--on": ["unix:/s", "build", "docker://web", "ssh://me@host:22"],
    "--token-file": ["/t", "token"],
    "--trust-uid": ["0", "4", "x"],
    "--connect-timeout": ["3", "1.5s", "200ms", "0", "x"],
    "--keep": ["0", "1h", "9999h"],
    "--install": ["ask", "never", "x"],
    "--host-key": ["SHA256:x", "x"], "--accept-new": [],
    "--identity": ["/k", "k"], "--client-cert": ["/c"], "--client-key": ["/k"],
    "--cwd": ["/", "/tmp/a b", "..", "a=b", notUTF8],
    "--env": ["A=1", "A=", "A==", "B=2=3", "A", "=x", "Ä=\(notUTF8)", "\(notUTF8)=1"],
    "-i": [], "-t": [], "--tty": [], "-it": [],
    "--timeout": ["5", "5s", "2m", "1h", "1e3", ".", "99999h", "forever"],
    "--grace": ["1", "0.5", "x"],
    "--drain": ["1", "forever", "never"],
    "--memory": ["512M", "1.5G", "1k", "0", "x"],
    "--cpus": ["1.5", "2", "0", "x"],
    "--pids": ["100", "0", "x"],
    "--nice": ["0", "19", "20"],
    "--open-files": ["33", "x"],
    "--file-size": ["0", "1M", "x"],
    "--cpu-time": ["1s", "2m", "0", "x"],
    "--address-space": ["1G", "x"],
    "--detach": [], "--reconnect": [],
    "--name": ["build", "a.b_c-d", "-x", ".a", ""],
    "--journal": ["64M", "1", "x"],
    "--when-full": ["block", "drop-oldest", "drop_oldest"],
    "--merge": [],
    "--shell": [],
    "--json": [],
    "--status-fd": ["3", "+3", "99999999999", "x"],
    "-f": ["4", "0"], "-b": [], "-L": [], "-S": [], "-x": ["a"], "--fan-out": ["2"],
    "--fold": [], "--in-order": [], "--largest": [], "--exclude": ["a"], "--recursive": [],
    "--hostfile": ["f", "-"],
    "--inventory": ["f"], "--address": ["unix:/%h", "x"], "--first-failure": [],
    "--canary": ["1", "x"], "--put": [], "--get": [], "-r": [],
    "--count": ["1", "10", "0", "1000001", "x"],
    "-h": [], "--help": [], "--version": [],
  ]

  private static let notUTF8 = ArgumentText.text(of: [0x61, 0xFF])

  /// Words that the parser may treat in a way of its own.
  private static let words = [
    "true", "ls", "-l", "-", "--", "", "help", "run", "--help", "-h", "--version", "--unknown",
    "--generate-completion-script", "---completion", "--experimental-dump-help", "a=b", "--a=b",
    "=", "-\u{301}", "\u{301}", "-i1", "-ii", "\u{2014}", "---", "---x", "-----a=b",
    "---\u{301}", notUTF8,
  ]

  /// What the command line means to the parser; nil if it reports an error or prints help.
  private static func parsed(_ arguments: [String]) -> QuickCommand? {
    switch try? Program.parse(arguments) {
    case let command as RunCommand: .run(command.server.settings, command.options.settings)
    case let command as OnCommand where !command.isFanOut:
      .run(command.connection.settings(address: command.host), command.options.settings)
    case let command as InfoCommand: .info(command.server.settings, json: command.json)
    case let command as PingCommand:
      .ping(command.server.settings, count: command.count, json: command.json)
    default: nil
    }
  }

  private static func randomOption(_ random: inout SeededGenerator) -> [String] {
    let names = options.keys.sorted()
    guard let name = names.randomElement(using: &random), let values = options[name] else {
      return []
    }
    // Sometimes a value too many or too few.
    let isRight = Int.random(in: 0..<20, using: &random) != 0
    guard let value = values.randomElement(using: &random) else {
      return isRight ? [name] : ["\(name)=1"]
    }
    guard isRight else { return [name] }
    return Bool.random(using: &random) ? [name, value] : ["\(name)=\(value)"]
  }

  private static func randomLine(_ command: String, _ random: inout SeededGenerator) -> [String] {
    var arguments = [command]
    if command == "on", Int.random(in: 0..<10, using: &random) != 0 { arguments.append("build") }
    for _ in 0..<Int.random(in: 0...3, using: &random) { arguments += randomOption(&random) }
    if command == "run" || command == "on" {
      if Bool.random(using: &random) { arguments.append("--") }
      if Int.random(in: 0..<10, using: &random) != 0 { arguments.append("true") }
    }
    for _ in 0..<Int.random(in: 0...2, using: &random)
    where command == "run" || command == "on" || Int.random(in: 0..<5, using: &random) == 0 {
      arguments.append(words.randomElement(using: &random) ?? "")
    }
    if Int.random(in: 0..<4, using: &random) == 0 { arguments += randomOption(&random) }
    // A word in a place where it is not expected.
    if Int.random(in: 0..<6, using: &random) == 0 {
      let place = Int.random(in: 1...arguments.count, using: &random)
      arguments.insert(words.randomElement(using: &random) ?? "", at: place)
    }
    return arguments
  }

  @Test(arguments: ["run", "on", "info", "ping"])
  func `A random command line that is recognized means the same to the parser`(
    command: String
  ) async {
    var random = SeededGenerator(seed: 20_261_126)
    var recognized = 0
    let count = Scale.isFull ? 10_000 : 120
    for _ in 0..<count {
      let arguments = Self.randomLine(command, &random)
      guard let quick = QuickCommand(arguments) else { continue }
      recognized += 1
      // The parser is slow; other tests run meanwhile.
      await Task.yield()
      #expect(quick == Self.parsed(arguments), "\(arguments)")
    }
    #expect(recognized > count / 10, "too few command lines were compared")
  }

  @Test(arguments: [
    ["run", "true"], ["run", "--", "true"], ["run", "--", "--help"],
    ["run", "--on", "unix:/s", "--cwd", "/", "--timeout", "5", "--", "ls", "-l", "--on"],
    ["run", "--cwd=/", "--env", "A=1", "--env=B=2", "-i", "--json", "ls", "--help"],
    ["run", "--shell", "--merge", "--drain", "forever", "--status-fd", "3", "a | b"],
    ["run", "--pids", "9", "--memory=1G", "--nice", "3", "--", "true"],
    ["run", "-it", "--", "top"], ["run", "-i", "-t", "top"], ["on", "build", "--tty", "top"],
    ["on", "build", "--", "make"], ["on", "build", "--grace", "1", "make", "-j8"],
    ["run", "echo", "---"], ["run", "--", "---x", "-----"], ["on", "build", "echo", "---a=b"],
    ["info"], ["info", "--on", "unix:/s", "--json"], ["ping"], ["ping", "--count", "3", "--json"],
  ])
  func `Common command lines are recognized`(arguments: [String]) throws {
    let quick = try #require(QuickCommand(arguments))
    #expect(quick == Self.parsed(arguments))
  }

  @Test(arguments: [
    [], ["help"], ["--help"], ["--version", "x"], ["--version=1"], ["run"], ["run", "--"],
    ["run", "--help"], ["run", "-x", "true"], ["run", "--install", "ask", "true"],
    ["run", "--json", "--json", "true"], ["run", "--json=1", "true"], ["run", "--cwd"],
    ["run", "a", "--generate-completion-script"], ["run", "---", "true"],
    ["run", "--connect-timeout", "0", "true"], ["run", "--connect-timeout=0ms", "true"],
    ["run", "--cwd", "", "true"], ["run", "--cwd", "-a", "true"],
    ["run", "--timeout", "x", "true"], ["run", "-t", "--json", "true"],
    ["run", "-t", "-it", "true"],
    ["on"], ["on", "--", "true"], ["on", "build"], ["on", "build", "--on", "unix:/s", "true"],
    ["on", "web[1-3]", "true"], ["on", "a,b", "true"], ["on", "build", "-b", "true"],
    ["on", notUTF8, "true"], ["run", "--on", notUTF8, "true"], ["info", "x"],
    ["ping", "--count", "0"],
    ["put", "a", "b"],
  ])
  func `Unusual command lines are left to the parser`(arguments: [String]) {
    #expect(QuickCommand(arguments) == nil)
  }

  /// The parser itself refuses such words.
  @Test(arguments: [
    ["run", "--install", "never", "echo", "---", "-----a"],
    ["run", "--install", "never", "--", "---x"],
    ["on", "build", "--install", "never", "echo", "---"], ["shell", "echo", "---"],
  ])
  func `Words of a command may begin with many dashes`(arguments: [String]) throws {
    let command = try #require(try Program.parse(arguments) as? any RunsWords)
    let start = try #require(arguments.firstIndex { $0 == "--" || $0 == "echo" })
    #expect(command.words == Array(arguments[start...]))
  }

  @Test(arguments: [
    ["run", "--install", "never", "---", "true"], ["run", "--cwd", "---", "--", "---"],
    ["shell", "---"],
  ])
  func `An option with many dashes is unknown`(arguments: [String]) {
    #expect(throws: (any Error).self) { try Program.parse(arguments) }
  }

  @Test func `The version is the text that the parser prints`() {
    #expect(QuickCommand(["--version"]) == .version)
    #expect(throws: (any Error).self) { try RootCommand.parseAsRoot(["--version"]) }
    do { _ = try RootCommand.parseAsRoot(["--version"]) } catch {
      #expect(RootCommand.fullMessage(for: error) == Program.name)
    }
  }

  @Test(arguments: ["run", "on", "info", "ping"])
  func `The random command lines contain every option`(command: String) throws {
    struct Help: Decodable {
      struct Name: Decodable { var kind, name: String }
      struct Argument: Decodable {
        var kind: String
        var names: [Name]?
        var shouldDisplay: Bool
      }
      struct Command: Decodable { var arguments: [Argument] }
      var command: Command
    }
    let type = try #require(
      RootCommand.configuration.subcommands.first { $0.configuration.commandName == command })
    let help = try JSONDecoder().decode(Help.self, from: Data(type._dumpHelp().utf8)).command
    let names = help.arguments.filter(\.shouldDisplay).flatMap { $0.names ?? [] }
      .map { ($0.kind == "short" ? "-" : "--") + $0.name }
    #expect(names.count > 4)
    for name in names { #expect(Self.options[name] != nil, "add \(name) to `options` above") }
  }

  /// A value of an option that the settings lack would be ignored.
  @Test func `The settings hold the value of every option`() {
    func names(_ value: Any) -> Set<String> {
      Set(
        Mirror(reflecting: value).children.compactMap { child in
          child.label.map { $0.hasPrefix("_") ? String($0.dropFirst()) : $0 }
        })
    }
    // `telpher shell` sets `isSession`.
    #expect(names(RunOptions()) == names(RunSettings()).subtracting(["isSession"]))
    // The two files of `certificate` are options of their own.
    #expect(
      names(ServerOptions()).subtracting(["connection"]).union(names(ConnectionOptions()))
        .subtracting(["clientCert", "clientKey"])
        == names(ServerSettings()).subtracting(["certificate"]))
  }
}
