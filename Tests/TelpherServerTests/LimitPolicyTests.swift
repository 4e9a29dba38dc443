import Glibc
import TelpherTransport
import TelpherWire
import Testing

@testable import TelpherServer

@Suite struct LimitPolicyTests {
  private let all = Set(ResourceLimit.Kind.allCases)

  private func limits(
    _ own: [ResourceLimit], _ requested: [String: UInt64], _ enforceable: Set<ResourceLimit.Kind>
  ) -> Result<[ResourceLimit], LimitPolicy.Refusal> {
    do throws(LimitPolicy.Refusal) {
      return .success(
        try LimitPolicy(own).limits(for: requested) { enforceable })
    } catch {
      return .failure(error)
    }
  }

  @Test func theNamesOfTheProtocolAreThoseOfTheSystem() {
    #expect(RunRequest.limitNames == Set(ResourceLimit.Kind.allCases.map(\.rawValue)))
  }

  @Test func aCommandGetsWhatItAsksFor() {
    #expect(limits([], [:], []) == .success([]))
    #expect(
      limits([], ["nice": 3, "cpu_s": 9], [])
        == .success([
          ResourceLimit(.cpuSeconds, 9), ResourceLimit(.nice, 3),
        ]))
  }

  @Test func aCommandGetsTheServersLimitUnlessItAsksForLess() {
    let own = [ResourceLimit(.treeMemoryBytes, 1_000), ResourceLimit(.nice, 5)]
    #expect(
      limits(own, [:], all)
        == .success([
          ResourceLimit(.nice, 5), ResourceLimit(.treeMemoryBytes, 1_000),
        ]))
    #expect(
      limits(own, ["tree_memory_bytes": 999, "nice": 6], all)
        == .success([
          ResourceLimit(.nice, 6), ResourceLimit(.treeMemoryBytes, 999),
        ]))
    #expect(
      limits(own, ["tree_memory_bytes": 1_000, "nice": 5], all) == limits(own, [:], all))
  }

  @Test func aCommandThatAsksForMoreIsRefused() {
    let own = [ResourceLimit(.treeMemoryBytes, 1 << 30), ResourceLimit(.nice, 5)]
    #expect(
      limits(own, ["tree_memory_bytes": 3 << 29], all)
        == .failure(.init(message: "memory 1.5 GiB is more than this server allows: 1 GiB")))
    #expect(
      limits(own, ["nice": 4], all)
        == .failure(.init(message: "nice 4 is less than this server requires: 5")))
  }

  @Test func aLimitThatCanNotBeEnforcedIsRefusedAndTheOthersAreNamed() {
    let result = limits([], ["tree_processes": 10, "nice": 1], [.nice, .cpuSeconds])
    guard case .failure(let refusal) = result else {
      Issue.record("\(result)")
      return
    }
    #expect(refusal.message.contains("'pids'"))
    #expect(refusal.message.hasSuffix("it can enforce cpu-time, nice"))
  }

  @Test func sizesAndNumbersAreShownAsTheyAreWritten() {
    #expect(ResourceLimit(.treeMemoryBytes, 512 << 20).valueText == "512 MiB")
    #expect(ResourceLimit(.fileBytes, 3 << 29).valueText == "1.5 GiB")
    #expect(ResourceLimit(.fileBytes, 1_023).valueText == "1023 B")
    #expect(ResourceLimit(.memoryBytes, .max).valueText == "15.9 EiB")
    #expect(ResourceLimit(.treeCPUMilli, 1_500).valueText == "1.5")
    #expect(ResourceLimit(.treeCPUMilli, 2_000).valueText == "2")
    #expect(ResourceLimit(.treeCPUMilli, 1_025).valueText == "1.025")
    #expect(ResourceLimit(.cpuSeconds, 10).valueText == "10 s")
    #expect(ResourceLimit(.openFiles, 10).valueText == "10")
  }
}

@Suite struct LimitDeathTests {
  private func death(
    _ status: ProcessExit.Status, _ limits: [ResourceLimit] = [], group: GroupUsage? = nil,
    cpuSeconds: Int64 = 0
  ) -> LimitDeath? {
    var usage = ResourceUsage()
    usage.userMicroseconds = cpuSeconds * 1_000_000
    return LimitDeath(
      ProcessExit(status: status, usage: usage), limits: limits, group: group)
  }

  private var outOfMemory: GroupUsage {
    var group = GroupUsage()
    group.memoryLimit = 512 << 20
    group.memoryPeak = 512 << 20
    group.outOfMemoryKills = 1
    return group
  }

  @Test func theKernelKilledTheCommandForItsMemory() {
    let death = death(.signaled(SIGKILL, coreDumped: false), group: outOfMemory)
    #expect(death?.cause == .outOfMemory)
    #expect(death?.message == "killed: out of memory (limit 512 MiB, peak 512 MiB)")
  }

  @Test func theKernelKilledAProcessOfTheCommand() {
    #expect(death(.exited(code: 137), group: outOfMemory)?.cause == .outOfMemory)
    // The command has coped with it.
    #expect(death(.exited(code: 0), group: outOfMemory) == nil)
  }

  @Test func theProcessorTimeIsUsedUp() {
    let limit = [ResourceLimit(.cpuSeconds, 2)]
    #expect(death(.signaled(SIGXCPU, coreDumped: true), limit)?.cause == .cpuTime)
    // It has ignored the first signal.
    let killed = ProcessExit.Status.signaled(SIGKILL, coreDumped: false)
    #expect(death(killed, limit, cpuSeconds: 3)?.cause == .cpuTime)
    #expect(death(killed, limit, cpuSeconds: 1) == nil)
    #expect(death(.signaled(SIGXCPU, coreDumped: true)) == nil)
  }

  @Test func aFileIsTooLarge() {
    let exit = ProcessExit.Status.signaled(SIGXFSZ, coreDumped: false)
    #expect(death(exit, [ResourceLimit(.fileBytes, 1 << 20)])?.cause == .fileSize)
    #expect(death(exit) == nil)
  }

  @Test func theCommandFailedAtItsLimitOfProcesses() {
    var group = GroupUsage()
    group.processLimit = 20
    group.processLimitHits = 1
    #expect(death(.exited(code: 2), group: group)?.cause == .processLimit)
    #expect(death(.exited(code: 0), group: group) == nil)
    group.processLimitHits = 0
    #expect(death(.exited(code: 2), group: group) == nil)
  }
}
