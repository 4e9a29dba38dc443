internal import CTelpherSys
internal import Glibc

/// A process, which its id alone does not name: ids are given out again.
package struct ProcessIdentity: Sendable, Hashable {
  /// The process id.
  package let pid: Int32
  /// When it started, in the ticks of /proc/PID/stat: proc(5).
  package let startTime: UInt64

  /// Sends `signal` to this process, and to no other that has got its id meanwhile.
  func send(_ signal: Int32) {
    let descriptor = telpher_pidfd_open(pid)
    // Looked at while the descriptor holds on to whatever has the id now.
    if ProcessTable.entry(of: pid)?.startTime == startTime {
      if descriptor < 0 || telpher_pidfd_signal(descriptor, signal) == -ENOSYS { kill(pid, signal) }
    }
    if descriptor >= 0 { close(descriptor) }
  }
}

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
  /// What the processes have in their environment, if it was put there.
  package let mark: String?
  /// Their tag, if they were given one.
  package let tag: UInt64?

  private let processes: RecentProcesses
  private let send: @Sendable (ProcessIdentity, Int32) -> Void
  /// Those that the last walk found. They belong to the tree whatever becomes of their parents, session,
  /// tag and environment.
  private let known = Lock<Set<ProcessIdentity>>([])

  /// The tree below `leader`, which was started with `mark` in its environment and has `tag`.
  package init(leader: Int32, mark: String?, tag: UInt64?) {
    self.init(leader: leader, mark: mark, tag: tag, processes: .shared) { $0.send($1) }
  }

  /// The same among other processes, to which `send` sends signals.
  init(
    leader: Int32, mark: String?, tag: UInt64? = nil, processes: RecentProcesses,
    send: @escaping @Sendable (_ process: ProcessIdentity, _ signal: Int32) -> Void
  ) {
    self.leader = leader
    self.mark = mark
    self.tag = tag
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

  /// Whether any process is left, the leader included, zombies not counted. Some that are still
  /// reported may have gone in the last milliseconds; where none is reported, none is left.
  package var hasSurvivors: Bool {
    let table = processes.table(youngerThan: Self.oldestOfEnded) { $0.showsZombie(leader) }
    return !members(of: table).isEmpty
  }

  /// As `hasSurvivors`, but true where a walk is not affordable at the moment: it is to be asked again.
  package var mayHaveSurvivors: Bool {
    let table = processes.affordableTable(youngerThan: Self.oldestOfEnded) {
      $0.showsZombie(leader)
    }
    return table.map { !members(of: $0).isEmpty } ?? true
  }

  /// Sends `signal` to all of them but `others`. It does not wait for the signal's effect.
  ///
  /// - Parameter atAnyPrice: whether it walks even if walks take much of the time already. Where it does
  ///   not, only the leader gets the signal then.
  package func signal(
    _ signal: Int32, except others: Set<Int32> = [], atAnyPrice: Bool = true
  ) {
    var reached: Set<ProcessIdentity> = []
    let shows: (ProcessTable) -> Bool = { $0.shows(leader) }
    guard
      var table = atAnyPrice
        ? processes.table(youngerThan: Self.oldestOfLiving, where: shows)
        : processes.affordableTable(youngerThan: Self.oldestOfLiving, where: shows)
    else {
      if !others.contains(leader) { kill(leader, signal) }
      return
    }
    for round in 0..<(signal == SIGKILL ? Self.killRounds : 1) {
      if round > 0 { table = processes.newTable() }
      let new = members(of: table).filter { !reached.contains($0) }
      if new.isEmpty { return }
      for member in new where !others.contains(member.pid) { send(member, signal) }
      reached.formUnion(new)
    }
  }

  private func members(of table: ProcessTable) -> [ProcessIdentity] {
    known.withLock { known in
      let members = table.members(leader: leader, mark: mark, tag: tag, known: known)
      known = Set(members)
      return members
    }
  }
}
