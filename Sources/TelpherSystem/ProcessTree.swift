internal import Glibc

/// All processes that came from one child, found by walks through /proc.
///
/// - Precondition of all methods: the child was not waited for, or its id may be a stranger's.
package struct ProcessTree: Sendable {
  /// The variable that marks a job's processes.
  package static let markName = "TELPHER_JOB"
  /// How often a walk is repeated for SIGKILL, until it finds nobody new. One that forks faster than
  /// that is not caught up with by walking.
  private static let killRounds = 64

  /// The child.
  package let leader: Int32
  /// What the processes have in their environment.
  package let mark: String

  /// The tree below `leader`, which was started with `mark` in its environment.
  package init(leader: Int32, mark: String) {
    self.leader = leader
    self.mark = mark
  }

  /// 128 random bits that nobody else's environment has.
  package static func makeMark() -> String {
    (0..<2).map { _ in
      let half = String(UInt64.random(in: 0 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - half.utf8.count) + half
    }.joined()
  }

  /// Whether anybody is left, the leader included, zombies not counted.
  package var hasSurvivors: Bool { !members.isEmpty }

  /// Sends `signal` to all of them. It does not wait for the signal's effect.
  package func signal(_ signal: Int32) {
    var reached: Set<Int32> = []
    for _ in 0..<(signal == SIGKILL ? Self.killRounds : 1) {
      let new = members.filter { !reached.contains($0) }
      if new.isEmpty { return }
      for member in new {
        kill(member, signal)
        reached.insert(member)
      }
    }
  }

  private var members: [Int32] { ProcessTable().members(leader: leader, mark: mark) }
}
