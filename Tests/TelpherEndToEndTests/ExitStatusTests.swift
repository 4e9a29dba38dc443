import TelpherClient
import TelpherTestSupport
import Testing

/// A command has the same exit code or signal as without Telpher.
@Suite struct ExitStatusTests {
  /// A random command, the same for the same seed.
  struct Example: CustomStringConvertible, Sendable {
    let arguments: [String]
    var description: String { arguments.joined(separator: " ") }

    /// Signals that end a process by default.
    private static let signals = [
      "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
      "PIPE", "ALRM", "TERM", "STKFLT", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "PWR", "SYS", "40",
    ]

    init(using random: inout some RandomNumberGenerator) {
      let line = Self.line(depth: 0, &random)
      switch Int.random(in: 0..<20, using: &random) {
      case 0: arguments = ["no-such-program-\(Int.random(in: 0..<9, using: &random))"]
      case 1: arguments = ["/etc/passwd"]
      case 2: arguments = ["/etc"]
      case 3: arguments = ["/no/such/folder/program"]
      case 4: arguments = ["/etc/passwd/program"]
      case 5: arguments = ["true", line]
      case 6: arguments = ["false"]
      case 7...10: arguments = ["bash", "-c", "ulimit -c 0; set -o pipefail; \(line)"]
      default: arguments = ["sh", "-c", "ulimit -c 0; \(line)"]
      }
    }

    private static func line(depth: Int, _ random: inout some RandomNumberGenerator) -> String {
      let code = Int.random(in: 0...255, using: &random)
      let signal = signals.randomElement(using: &random) ?? "TERM"
      guard depth < 3 else { return "exit \(code)" }
      func deeper() -> String { line(depth: depth + 1, &random) }
      switch Int.random(in: 0..<10, using: &random) {
      case 0: return "kill -s \(signal) $$; sleep 5"
      case 1: return "no-such-program-\(code)"
      case 2: return "/etc/passwd"
      case 3: return "(\(deeper())) | (\(deeper()))"
      case 4: return "sh -c '\(deeper().replacingQuotes())'"
      case 5: return "(\(deeper())); exit $?"
      case 6: return "! (\(deeper()))"
      case 7: return "(\(deeper())) & wait $!"
      default: return "exit \(code)"
      }
    }
  }

  @Test(arguments: SystemBackend.all)
  func randomCommandsEndAsWithoutTelpher(_ backend: SystemBackend) async throws {
    var random = SplitMix64(state: 20_261_121)
    let examples = (0..<Scale.pick(fast: 120, full: 1_000)).map { _ in
      Example(using: &random)
    }
    try await Fixture.with(backend) { fixture in
      let connection = try await fixture.connect()
      for example in examples {
        let expected = LocalShell.run(example.arguments, environment: ["PATH=/usr/bin:/bin"])
        let result = try await connection.run(Command(arguments: example.arguments)).result
        let ending: LocalShell.Ending? =
          switch result.status {
          case .exited(let code): .exited(code)
          case .signaled(let signal): .signaled(signal)
          case .notStarted(let errno, _, _): .failed(errno)
          case .timedOut, .canceled, .detached: nil
          }
        #expect(ending == expected, "\(example)")
      }
    }
  }
}

/// The generator of Steele, Lea and Flood: the same numbers for the same seed.
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

extension String {
  /// The text for use within single quotes of a shell.
  fileprivate func replacingQuotes() -> String {
    split(separator: "'", omittingEmptySubsequences: false).joined(separator: #"'\''"#)
  }
}
