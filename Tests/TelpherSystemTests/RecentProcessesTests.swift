import Glibc
import Synchronization
import Testing

@testable import TelpherSystem

struct RecentProcessesTests {
  /// Walks that show what the test says, on a clock that it moves.
  private final class Machine: Sendable {
    let time = Mutex<UInt64>(1)
    let entries = Mutex<[ProcessTable.Entry]>([])
    let walks = Mutex(0)

    func recent() -> RecentProcesses {
      RecentProcesses {
        self.walks.withLock { $0 += 1 }
        return ProcessTable(self.entries.withLock { $0 })
      } now: {
        self.time.withLock { $0 }
      }
    }

    func tree(_ leader: Int32, _ processes: RecentProcesses) -> ProcessTree {
      ProcessTree(leader: leader, mark: "mark\(leader)", processes: processes)
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

  @Test func oneWalkServesAllThatHaveEndedAtOnce() {
    let machine = Machine()
    let processes = machine.recent()
    machine.entries.withLock { $0 = (100..<300).map { Self.entry($0, isZombie: true) } }
    for leader in Int32(100)..<300 {
      let tree = machine.tree(leader, processes)
      #expect(!tree.hasSurvivors)
      tree.signal(9)
    }
    #expect(machine.walks.withLock { $0 } == 1)
  }

  @Test func aWalkFromBeforeTheEndDoesNotServe() {
    let machine = Machine()
    let processes = machine.recent()
    machine.entries.withLock { $0 = [Self.entry(100)] }
    #expect(machine.tree(100, processes).hasSurvivors)
    // It has left one behind, and ended.
    machine.entries.withLock {
      $0 = [Self.entry(100, isZombie: true), Self.entry(101, group: 100)]
    }
    #expect(machine.tree(100, processes).hasSurvivors)
    #expect(machine.walks.withLock { $0 } == 2)
    // That one is gone as well, which a walk of the same moment does not show.
    machine.entries.withLock { $0 = [Self.entry(100, isZombie: true)] }
    #expect(machine.tree(100, processes).hasSurvivors)
    machine.time.withLock { $0 += RecentProcesses.lifetime }
    #expect(!machine.tree(100, processes).hasSurvivors)
    #expect(machine.walks.withLock { $0 } == 3)
  }

  @Test func aTableTellsEachTreeFromTheOthers() {
    let table = ProcessTable([
      Self.entry(100), Self.entry(101, parent: 100),
      Self.entry(102, parent: 1, mark: "a"), Self.entry(103, parent: 102, isZombie: true),
      Self.entry(104, parent: 103), Self.entry(200), Self.entry(201, parent: 1, group: 200),
      Self.entry(300, parent: 2),
    ])
    #expect(table.members(leader: 100, mark: "a") == [100, 101, 102, 104])
    #expect(table.members(leader: 200, mark: "b") == [200, 201])
    #expect(table.members(leader: 400, mark: "c") == [])
  }

  @Test func theTableOfThisMachineHasThisProcess() throws {
    let own = try #require(ProcessTable().entries.first { $0.pid == getpid() })
    #expect(own.parent == getppid())
    #expect(own.group == getpgrp())
    #expect(!own.isZombie)
  }
}
