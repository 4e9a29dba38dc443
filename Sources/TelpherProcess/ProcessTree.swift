internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// Identifies a process. The id by itself is not enough, because ids are reused.
package struct ProcessIdentity: Sendable, Hashable {
  /// The process id.
  package let pid: Int32
  /// When it started, in clock ticks since boot: /proc/PID/stat, proc(5).
  package let startTime: UInt64

  /// Sends `signal` to this process, but not to a later process with the same id.
  func send(_ signal: Int32) {
    let descriptor = telpher_pidfd_open(pid)
    // Read while the descriptor is open, which pins the process that has the id now.
    if ProcessTable.entry(of: pid)?.startTime == startTime {
      if descriptor < 0 || telpher_pidfd_signal(descriptor, signal) == -ENOSYS { kill(pid, signal) }
    }
    if descriptor >= 0 { close(descriptor) }
  }
}

/// All processes that came from one child, found by walks through /proc.
///
/// - Precondition of all methods: The child was not waited for. Otherwise its id may belong to
///   another process.
package struct ProcessTree: Sendable {
  /// The environment variable that holds the mark of a job.
  package static let markName = "TELPHER_JOB"
  /// How many walks SIGKILL makes at most, until one finds no new process. A process that forks
  /// faster than that is not caught.
  static let killRounds = 64
  /// The maximum age in nanoseconds of a walk that shows the leader as ended. Every process that
  /// exists now existed then, or descends from one that did.
  static let maximumAgeOfEnded: UInt64 = 10_000_000
  /// The maximum age in nanoseconds of a walk while the leader runs. Processes that were forked
  /// after the walk get no signal, except SIGKILL. This is a fraction of the time of a walk.
  static let maximumAgeOfRunning: UInt64 = 2_000_000

  /// The process id of the child.
  package let leader: Int32
  /// The mark in the environment of the processes, if there is one.
  package let mark: String?
  /// The tag of the processes, if they have one.
  package let tag: UInt64?

  private let processes: RecentProcesses
  private let send: @Sendable (ProcessIdentity, Int32) -> Void
  /// The processes that the last walk found. They stay members whatever happens to their parents,
  /// session, tag and environment.
  private let known = Monitor<Set<ProcessIdentity>>([])

  /// The tree of `leader`, which was started with `mark` in its environment and has `tag`.
  package init(leader: Int32, mark: String?, tag: UInt64?) {
    self.init(leader: leader, mark: mark, tag: tag, processes: .shared) { $0.send($1) }
  }

  /// The same for tests: with other processes, and `send` instead of kill(2).
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

  /// Returns a new mark: 128 random bits in hexadecimal.
  package static func makeMark() -> String {
    (0..<2).map { _ in
      let half = String(UInt64.random(in: 0 ... .max), radix: 16)
      return String(repeating: "0", count: 16 - half.utf8.count) + half
    }.joined()
  }

  /// Whether any process is left, the leader included. Zombies are not counted. True may be some
  /// milliseconds old: the processes may have ended since. False is certain.
  package var hasSurvivors: Bool {
    let table = processes.table(youngerThan: Self.maximumAgeOfEnded) { $0.showsZombie(leader) }
    return !members(of: table).isEmpty
  }

  /// Like `hasSurvivors`, but also true if a walk costs too much at the moment. Ask again later.
  package var mayHaveSurvivors: Bool {
    let table = processes.affordableTable(youngerThan: Self.maximumAgeOfEnded) {
      $0.showsZombie(leader)
    }
    return table.map { !members(of: $0).isEmpty } ?? true
  }

  /// Sends `signal` to all processes of the tree except `others`. Does not wait for the effect of
  /// the signal.
  ///
  /// - Parameter regardlessOfCost: Whether to walk even if walks already take much of the time. If
  ///   false and no walk is made, only the leader gets the signal.
  package func signal(
    _ signal: Int32, except others: Set<Int32> = [], regardlessOfCost: Bool = true
  ) {
    var reached: Set<ProcessIdentity> = []
    let shows: (ProcessTable) -> Bool = { $0.shows(leader) }
    guard
      var table = regardlessOfCost
        ? processes.table(youngerThan: Self.maximumAgeOfRunning, where: shows)
        : processes.affordableTable(youngerThan: Self.maximumAgeOfRunning, where: shows)
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
