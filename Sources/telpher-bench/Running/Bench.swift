internal import Glibc

/// One run of the benchmark: where things are, and how long it may take.
final class Bench: Sendable {
  /// A folder for sockets, keys and configurations.
  let folder: PrivateFolder
  /// Where the programs of this build are.
  let programs: String
  /// Whether only a glance is taken: every suite runs, and the figures are no good.
  let isQuick: Bool
  /// How often each contestant has its turn.
  let rounds: Int
  /// The sockets' names in the folder have to differ.
  let names = Counter()

  /// - Throws: `Failure` where no folder is to be had.
  init(isQuick: Bool, rounds: Int?) throws(Failure) {
    self.isQuick = isQuick
    self.rounds = rounds ?? (isQuick ? 3 : 7)
    folder = try PrivateFolder(in: "/tmp")
    programs = Self.ownFolder()
  }

  /// The path of a program of this build.
  func program(_ name: String) -> String { "\(programs)/\(name)" }

  /// One of two values: for a run that is to be believed, or for a glance.
  func pick<Value>(_ full: Value, quick: Value) -> Value { isQuick ? quick : full }

  /// Has the contestants take turns, A B C A B C, so that a machine that drifts hurts all alike. One
  /// that fails is left out from then on, and named.
  ///
  /// - Parameter rounds: how often, unless as ever.
  func compare(_ comparison: Comparison, rounds: Int? = nil) async -> ComparisonResult {
    var tallies = comparison.contestants.map { Tally($0) }
    log("  \(comparison.title)")
    for _ in 0..<(rounds ?? self.rounds) {
      for index in tallies.indices where tallies[index].failure == nil {
        do {
          tallies[index].add(try await tallies[index].contestant.measure())
        } catch {
          tallies[index].failure = "\(error)"
          log("    \(tallies[index].contestant.name) failed: \(error)")
        }
      }
    }
    return ComparisonResult(comparison, tallies)
  }

  /// Says something to who waits.
  func log(_ text: String) {
    printLine(text, to: STDERR_FILENO)
  }

  private static func ownFolder() -> String {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let length = readlink("/proc/self/exe", &buffer, Int(PATH_MAX))
    precondition(length > 0, "/proc tells where this program is")
    let path = buffer.prefix(length).map { UInt8(bitPattern: $0) }
    return String(decoding: path[..<(path.lastIndex(of: UInt8(ascii: "/")) ?? 0)], as: UTF8.self)
  }
}
