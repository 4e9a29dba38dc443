internal import Glibc

/// All processes that came from one child, found by walks through /proc.
///
/// - Precondition of all methods: the child was not waited for, or its id may be a stranger's.
package struct ProcessTree: Sendable {
  /// The variable that marks a job's processes.
  package static let markName = "TELPHER_JOB"
  /// How often a walk is repeated for SIGKILL, until it finds nobody new. One that forks faster than
  /// that is not caught up with by walking.
  static let killRounds = 64
  /// How old a walk may be, in nanoseconds, that shows that the leader has ended: whoever is there now
  /// was there, or came from one who was.
  static let oldestOfEnded: UInt64 = 10_000_000
  /// The same where it runs: what was forked since gets no signal, but for SIGKILL. It is a fraction of
  /// what a walk takes.
  static let oldestOfLiving: UInt64 = 2_000_000

  /// The child.
  package let leader: Int32
  /// What the processes have in their environment.
  package let mark: String

  private let processes: RecentProcesses
  private let send: @Sendable (Int32, Int32) -> Void

  /// The tree below `leader`, which was started with `mark` in its environment.
  package init(leader: Int32, mark: String) {
    self.init(leader: leader, mark: mark, processes: .shared) { kill($0, $1) }
  }

  /// The same among other processes, to which `send` sends signals.
  init(
    leader: Int32, mark: String, processes: RecentProcesses,
    send: @escaping @Sendable (_ pid: Int32, _ signal: Int32) -> Void
  ) {
    self.leader = leader
    self.mark = mark
    self.processes = processes
    self.send = send
  }

  /// 128 random bits that nobody else's environment has.
  package static func makeMark() -> String {
    (0..<2).map { _ in
      let half = String(UInt64.random(in: 0 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - half.utf8.count) + half
    }.joined()
  }

  /// Whether anybody is left, the leader included, zombies not counted. Some who are still told may
  /// have gone in the last milliseconds; where nobody is told, nobody is left.
  package var hasSurvivors: Bool {
    let table = processes.table(youngerThan: Self.oldestOfEnded) { $0.showsZombie(leader) }
    return !members(of: table).isEmpty
  }

  /// Sends `signal` to all of them. It does not wait for the signal's effect.
  package func signal(_ signal: Int32) {
    var reached: Set<Int32> = []
    var table = processes.table(youngerThan: Self.oldestOfLiving) { $0.shows(leader) }
    for round in 0..<(signal == SIGKILL ? Self.killRounds : 1) {
      if round > 0 { table = processes.newTable() }
      let new = members(of: table).filter { !reached.contains($0) }
      if new.isEmpty { return }
      for member in new {
        send(member, signal)
        reached.insert(member)
      }
    }
  }

  private func members(of table: ProcessTable) -> [Int32] {
    table.members(leader: leader, mark: mark)
  }
}
