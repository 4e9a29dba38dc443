import Glibc
import Synchronization
import Testing

@testable import TelpherProcess

struct RecentProcessesTests {
  /// Simulates walks with given results, on a clock that the test moves.
  private final class Machine: Sendable {
    let time = Mutex<UInt64>(1)
    /// What each walk shows. The last result is repeated.
    let walks: Mutex<[[ProcessTable.Entry]]>
    let walked = Mutex(0)
    /// The processes that were sent a signal.
    let reached = Mutex<[Int32]>([])

    init(_ walks: [ProcessTable.Entry]...) {
      self.walks = Mutex(walks)
    }

    func recent() -> RecentProcesses {
      RecentProcesses {
        let number = self.walked.withLock { walked in
          walked += 1
          return walked - 1
        }
        return ProcessTable(self.walks.withLock { $0[min(number, $0.count - 1)] })
      } now: {
        self.time.withLock { $0 }
      }
    }

    func tree(_ leader: Int32, _ processes: RecentProcesses) -> ProcessTree {
      ProcessTree(leader: leader, mark: "mark\(leader)", processes: processes) { process, _ in
        self.reached.withLock { $0.append(process.pid) }
      }
    }

    func pass(_ time: UInt64) { self.time.withLock { $0 += time } }
    var count: Int { walked.withLock { $0 } }
    var takeReached: [Int32] {
      reached.withLock { reached in
        defer { reached = [] }
        return reached
      }
    }
  }

  private static func entry(
    _ pid: Int32, parent: Int32 = 1, group: Int32? = nil, isZombie: Bool = false,
    mark: String? = nil
  ) -> ProcessTable.Entry {
    ProcessTable.Entry(
      pid: pid, parent: parent, group: group ?? pid, session: group ?? pid, isZombie: isZombie,
      mark: mark)
  }

  @Test func commandsThatEndAtOnceShareOneWalk() {
    let machine = Machine((100..<300).map { Self.entry($0, isZombie: true) })
    let processes = machine.recent()
    for leader in Int32(100)..<300 {
      let tree = machine.tree(leader, processes)
      #expect(!tree.hasSurvivors)
      tree.signal(SIGKILL)
    }
    #expect(machine.count == 1)
    #expect(machine.takeReached == [])
  }

  @Test func signalsToManyCommandsAtOnceShareOneWalk() {
    let machine = Machine(
      (100..<300).flatMap { [Self.entry($0), Self.entry($0 + 1_000, group: $0)] })
    let processes = machine.recent()
    for leader in Int32(100)..<300 { machine.tree(leader, processes).signal(SIGTERM) }
    #expect(machine.count == 1)
    #expect(machine.takeReached.sorted() == Array(100..<300) + Array(1_100..<1_300))
    machine.pass(ProcessTree.maximumAgeOfRunning)
    machine.tree(100, processes).signal(SIGTERM)
    #expect(machine.count == 2)
  }

  /// The process was started after the walk.
  @Test func aNewWalkIsMadeForALeaderThatTheLastOneDoesNotShow() {
    let machine = Machine([Self.entry(100)], [Self.entry(100), Self.entry(200)])
    let processes = machine.recent()
    machine.tree(100, processes).signal(SIGTERM)
    machine.tree(200, processes).signal(SIGTERM)
    #expect(machine.takeReached == [100, 200])
    #expect(machine.count == 2)
  }

  @Test func killRepeatsWalksUntilOneFindsNoNewProcess() {
    let first = [Self.entry(100), Self.entry(101, parent: 100)]
    let second = first + [Self.entry(102, parent: 101)]
    let third = second + [Self.entry(103, parent: 102)]
    let machine = Machine(first, second, third)
    let processes = machine.recent()
    machine.tree(100, processes).signal(SIGTERM)
    #expect(machine.takeReached == [100, 101])
    machine.tree(100, processes).signal(SIGKILL)
    // The first round uses the previous walk. The last round finds no new process.
    #expect(machine.takeReached == [100, 101, 102, 103])
    #expect(machine.count == 4)
  }

  @Test func aWalkFromBeforeTheLeadersEndIsNotReused() {
    let left = [Self.entry(100, isZombie: true), Self.entry(101, group: 100)]
    let machine = Machine([Self.entry(100)], left, [Self.entry(100, isZombie: true)])
    let processes = machine.recent()
    #expect(machine.tree(100, processes).hasSurvivors)
    #expect(machine.tree(100, processes).hasSurvivors)
    #expect(machine.count == 2)
    // The survivor may have ended by now, but a walk of the same moment is reused.
    #expect(machine.tree(100, processes).hasSurvivors)
    #expect(machine.count == 2)
    machine.pass(ProcessTree.maximumAgeOfEnded)
    #expect(!machine.tree(100, processes).hasSurvivors)
    #expect(machine.count == 3)
  }

  @Test func aTableSeparatesTheTrees() {
    let table = ProcessTable([
      Self.entry(100), Self.entry(101, parent: 100),
      Self.entry(102, parent: 1, mark: "a"), Self.entry(103, parent: 102, isZombie: true),
      Self.entry(104, parent: 103), Self.entry(200), Self.entry(201, parent: 1, group: 200),
      Self.entry(300, parent: 2),
    ])
    func members(_ leader: Int32, _ mark: String) -> [Int32] {
      table.members(leader: leader, mark: mark).map(\.pid)
    }
    #expect(members(100, "a") == [100, 101, 102, 104])
    #expect(members(200, "b") == [200, 201])
    #expect(members(400, "c") == [])
  }

  /// After a walk of 10 ms no optional walk is made for 90 ms.
  @Test func optionalWalksTakeAtMostATenthOfTheTime() {
    let machine = Machine([Self.entry(100, isZombie: true)])
    let processes = RecentProcesses {
      machine.pass(10_000_000)
      machine.walked.withLock { $0 += 1 }
      return ProcessTable([Self.entry(100, isZombie: true)])
    } now: {
      machine.time.withLock { $0 }
    }
    let tree = machine.tree(100, processes)
    #expect(!tree.mayHaveSurvivors)
    machine.pass(89_000_000)
    #expect(tree.mayHaveSurvivors)
    #expect(machine.count == 1)
    // A caller that needs the exact answer always walks.
    #expect(!tree.hasSurvivors)
    #expect(machine.count == 2)
    machine.pass(90_000_000)
    #expect(!tree.mayHaveSurvivors)
    #expect(machine.count == 3)
  }

  @Test func aTagAloneMakesAProcessAMember() {
    var left = Self.entry(102)
    left.tag = 7
    var other = Self.entry(103)
    other.tag = 8
    let table = ProcessTable([Self.entry(100), left, other, Self.entry(104, parent: 102)])
    #expect(table.members(leader: 100, mark: nil, tag: 7).map(\.pid) == [100, 102, 104])
    #expect(table.members(leader: 100, mark: nil).map(\.pid) == [100])
  }

  /// It is identified by its id and start time: the id may belong to another process by now.
  @Test func aProcessThatAWalkHasFoundStaysInTheTree() {
    var child = Self.entry(101, parent: 100)
    child.startTime = 5
    var orphan = Self.entry(101)
    orphan.startTime = 5
    var stranger = Self.entry(101)
    stranger.startTime = 6
    let leader = Self.entry(100, isZombie: true)
    let machine = Machine([leader, child], [leader, orphan], [leader, stranger])
    let tree = machine.tree(100, machine.recent())
    for reached in [[101], [101], []] as [[Int32]] {
      tree.signal(SIGTERM)
      #expect(machine.takeReached == reached)
      machine.pass(ProcessTree.maximumAgeOfEnded)
    }
    #expect(!tree.hasSurvivors)
  }

  @Test func theTableOfThisMachineContainsThisProcess() throws {
    let own = try #require(ProcessTable().entries.first { $0.pid == getpid() })
    #expect(own.parent == getppid())
    #expect(own.group == getpgrp())
    #expect(!own.isZombie)
  }
}
