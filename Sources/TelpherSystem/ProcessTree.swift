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

  private let processes: RecentProcesses

  /// The tree below `leader`, which was started with `mark` in its environment.
  package init(leader: Int32, mark: String) {
    self.init(leader: leader, mark: mark, processes: .shared)
  }

  init(leader: Int32, mark: String, processes: RecentProcesses) {
    self.leader = leader
    self.mark = mark
    self.processes = processes
  }

  /// 128 random bits that nobody else's environment has.
  package static func makeMark() -> String {
    (0..<2).map { _ in
      let half = String(UInt64.random(in: 0 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - half.utf8.count) + half
    }.joined()
  }

  /// Whether anybody is left, the leader included, zombies not counted.
  ///
  /// A walk of some milliseconds ago will do where the leader had ended by then: whoever is there now
  /// was there, or came from one who was.
  package var hasSurvivors: Bool {
    !members(of: processes.table { $0.showsZombie(leader) }).isEmpty
  }

  /// Sends `signal` to all of them. It does not wait for the signal's effect.
  package func signal(_ signal: Int32) {
    var reached: Set<Int32> = []
    for round in 0..<(signal == SIGKILL ? Self.killRounds : 1) {
      // The first look may be at a walk of some milliseconds ago, where it shows the leader: what
      // was forked since is found by the next, and where nobody was left there is nobody.
      let table = processes.table { table in
        round == 0 && table.entries.contains { $0.pid == leader }
      }
      let new = members(of: table).filter { !reached.contains($0) }
      if new.isEmpty { return }
      for member in new {
        kill(member, signal)
        reached.insert(member)
      }
    }
  }

  private func members(of table: ProcessTable) -> [Int32] {
    table.members(leader: leader, mark: mark)
  }
}
