import Glibc
import TelpherTransport
import Testing

@testable import TelpherProcess

/// Whether this process may make control groups with all controllers.
private let canLimitTrees = {
  let groups = ResourceGroups()
  defer { groups.shutDown() }
  return groups.kinds == [.treeMemoryBytes, .treeProcesses, .treeCPUMilli]
}()

/// The files of the controllers, in folders of plain files.
@Suite struct ControllerTests {
  /// A temporary folder with these files.
  private final class Files {
    let descriptor: Int32
    private let path: String
    private let names: [String]

    init(_ files: [String: String]) throws {
      var template = Array("/tmp/telpher-test-XXXXXX".utf8CString)
      try #require(mkdtemp(&template) != nil)
      path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
      names = Array(files.keys)
      for (name, text) in files {
        let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
        try #require(write(file, text, text.utf8.count) == text.utf8.count)
        close(file)
      }
      descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    deinit {
      close(descriptor)
      for name in names { unlink("\(path)/\(name)") }
      rmdir(path)
    }

    func text(_ name: String) -> String? { readSmallText(in: descriptor, name) }
  }

  @Test func limitsOfVersion2AreWritten() throws {
    let files = try Files([
      "memory.max": "", "memory.swap.max": "", "pids.max": "", "cpu.max": "",
    ])
    for (controller, value) in [(Controller.memory, 1 << 29), (.processes, 20), (.cpu, 1_500)] {
      try ResourceHierarchy.set(
        controller.settings(limit: UInt64(value), in: .two), in: files.descriptor)
    }
    #expect(files.text("memory.max") == "536870912")
    #expect(files.text("memory.swap.max") == "0")
    #expect(files.text("pids.max") == "20")
    #expect(files.text("cpu.max") == "150000 100000")
  }

  @Test func limitsOfVersion1AreWritten() throws {
    let files = try Files([
      "memory.limit_in_bytes": "", "memory.memsw.limit_in_bytes": "", "pids.max": "",
      "cpu.cfs_period_us": "", "cpu.cfs_quota_us": "",
    ])
    for (controller, value) in [(Controller.memory, 1 << 20), (.processes, 5), (.cpu, 10)] {
      try ResourceHierarchy.set(
        controller.settings(limit: UInt64(value), in: .one), in: files.descriptor)
    }
    #expect(files.text("memory.limit_in_bytes") == "1048576")
    #expect(files.text("memory.memsw.limit_in_bytes") == "1048576")
    #expect(files.text("pids.max") == "5")
    #expect(files.text("cpu.cfs_period_us") == "100000")
    #expect(files.text("cpu.cfs_quota_us") == "1000")
  }

  @Test func aMissingFileIsAnErrorUnlessTheLimitHoldsWithoutIt() throws {
    let files = try Files(["memory.max": ""])
    let settings = Controller.memory.settings(limit: 1, in: .two)
    try ResourceHierarchy.set(settings, in: files.descriptor)
    #expect(throws: ErrorNumber.self) {
      try ResourceHierarchy.set(Controller.cpu.settings(limit: 10, in: .two), in: files.descriptor)
    }
  }

  @Test func whatVersion2HasCountedIsRead() throws {
    let files = try Files([
      "memory.max": "1000\n", "memory.peak": "900\n",
      "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0\n",
      "pids.max": "20\n", "pids.events": "max 3\n",
      "cpu.stat": "usage_usec 5000\nuser_usec 1\nthrottled_usec 70\n",
      "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=1\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n",
    ])
    var usage = GroupUsage()
    for controller in Controller.allCases {
      controller.count(in: .two, into: &usage) { files.text($0) }
    }
    #expect(usage.memoryLimit == 1000 && usage.memoryPeak == 900 && usage.outOfMemoryKills == 2)
    #expect(usage.processLimit == 20 && usage.processLimitHits == 3)
    #expect(usage.cpuMicroseconds == 5000 && usage.throttledMicroseconds == 70)
    #expect(usage.readBytes == 11 && usage.writtenBytes == 22)
  }

  @Test func whatVersion1HasCountedIsRead() throws {
    let files = try Files([
      "memory.limit_in_bytes": "1000\n", "memory.max_usage_in_bytes": "900\n",
      "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
      "pids.max": "max\n", "pids.events": "max 0\n",
      "cpu.stat": "nr_periods 1\nnr_throttled 0\nthrottled_time 9000\n",
      "cpuacct.usage": "7000\n",
      "blkio.throttle.io_service_bytes_recursive":
        "8:0 Read 10\n8:0 Write 20\n8:0 Total 30\n8:16 Read 1\nTotal 31\n",
    ])
    var usage = GroupUsage()
    for controller in Controller.allCases {
      controller.count(in: .one, into: &usage) { files.text($0) }
    }
    #expect(usage.memoryLimit == 1000 && usage.memoryPeak == 900 && usage.outOfMemoryKills == 4)
    #expect(usage.processLimit == nil && usage.processLimitHits == 0)
    #expect(usage.cpuMicroseconds == 7 && usage.throttledMicroseconds == 9)
    #expect(usage.readBytes == 10 + 1 && usage.writtenBytes == 20)
  }

  @Test func noLimitIsNotALimit() {
    var usage = GroupUsage()
    Controller.memory.count(in: .one, into: &usage) {
      $0 == "memory.limit_in_bytes" ? "9223372036854771712\n" : nil
    }
    Controller.memory.count(in: .two, into: &usage) { $0 == "memory.max" ? "max\n" : nil }
    #expect(usage == GroupUsage())
  }

  @Test func controllersOfVersion2AreFoundInAList() {
    let list = "cpuset cpu io memory hugetlb pids rdma misc\n"
    #expect(
      ResourceHierarchy.listed(Controller.allCases, in: list) == [
        .memory, .processes, .cpu, .io,
      ])
    #expect(ResourceHierarchy.listed([.cpu], in: "cpuset cpuacct\n").isEmpty)
    #expect(ResourceHierarchy.listed(Controller.allCases, in: nil).isEmpty)
  }

  @Test func hierarchiesOfVersion1AreFoundByTheirControllers() {
    let mounts = """
      35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
      36 31 0:33 /pod /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:4 - cgroup2 cgroup2 rw
      """
    let groups = "5:memory:/a/b\n4:cpu,cpuacct:/pod/x\n1:name=systemd:/y\n0::/z\n"
    func folder(_ controller: String) -> String? {
      ControlGroupMount.place(of: controller, mounts: mounts, groups: groups)?.folder
    }
    #expect(folder("memory") == "/sys/fs/cgroup/memory/a/b")
    #expect(folder("cpuacct") == "/sys/fs/cgroup/cpu,cpuacct/x")
    #expect(folder("pids") == nil)
    #expect(folder("systemd") == nil)
  }

  @Test func aProcessTableFindsAllTreesInOnePass() {
    func entry(
      _ pid: Int32, parent: Int32 = 1, session: Int32 = 0, isZombie: Bool = false,
      tag: UInt64? = nil
    ) -> ProcessTable.Entry {
      ProcessTable.Entry(
        pid: pid, parent: parent, group: session, session: session, isZombie: isZombie, tag: tag)
    }
    let table = ProcessTable([
      entry(1_000_000, session: 1_000_000, tag: 7), entry(1_000_001, parent: 1_000_000),
      entry(1_000_002, tag: 7), entry(1_000_003, parent: 1_000_002, isZombie: true),
      entry(1_000_004, session: 1_000_000), entry(1_000_005),
      entry(1_000_006, session: 1_000_006),
    ])
    #expect(
      table.trees(of: [1_000_000, 1_000_006, 1_000_009]) == [
        1_000_000: [1_000_000, 1_000_001, 1_000_002, 1_000_004], 1_000_006: [1_000_006],
      ])
  }
}

extension ProcessTests {
  @Suite struct LimitTests {
    @Test(arguments: launchers)
    func theNicenessIsAddedToOurs(_ scope: Launcher.Scope, _ withoutClone3: Bool) throws {
      let launcher = try makeLauncher(scope, withoutClone3: withoutClone3)
      var request = SpawnRequest.shell("nice")
      request.limits = [ResourceLimit(.nice, 4)]
      let own = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
      #expect(try launcher.run(request).output == "\(min(19, own + 4))\n")
    }

    @Test func theProcessorTimeEndsWithItsSignal() throws {
      let launcher = try makeLauncher(scopes[0])
      var request = SpawnRequest.shell("ulimit -Ht; while :; do :; done")
      request.limits = [ResourceLimit(.cpuSeconds, 1)]
      let outcome = try launcher.run(request)
      #expect(outcome.output == "2\n")
      guard case .signaled(SIGXCPU, _) = outcome.exit.status else {
        Issue.record("ended otherwise: \(outcome.exit.status)")
        return
      }
    }

    @Test func aLimitWithoutItsControllerIsRefused() throws {
      let launcher = try makeLauncher(scopes[0])
      let kinds = launcher.enforceableLimits
      for kind in ResourceLimit.Kind.allCases where !kinds.contains(kind) {
        var request = SpawnRequest.shell("echo must not run")
        request.limits = [ResourceLimit(kind, 1 << 20)]
        #expect { try launcher.run(request) } throws: { ($0 as? SpawnError)?.stage == .limit }
      }
      #expect(kinds.isSuperset(of: ResourceLimit.Kind.ofProcesses))
    }
  }

  /// Needs control groups with the controllers of memory, processes and processors.
  @Suite(.enabled(if: canLimitTrees, "no control groups with controllers for us"))
  struct ResourceGroupTests {
    private func run(
      _ line: String, _ limits: [ResourceLimit], withoutClone3: Bool = false,
      scope: Launcher.Scope = scopes[0]
    ) throws -> (outcome: Outcome, usage: GroupUsage?) {
      let launcher = try makeLauncher(scope, withoutClone3: withoutClone3)
      defer { launcher.shutDown() }
      var request = SpawnRequest.shell(line)
      request.limits = limits
      let process = try launcher.launch(request)
      let output = try readAll(process.output!)
      let error = try readAll(process.error!)
      try awaitReadable(process.pidDescriptor)
      let exit = try #require(process.reap())
      let usage = process.groupUsage
      process.signalTree(SIGKILL)
      process.release()
      close(process.pidDescriptor)
      #expect(process.groupUsage == nil)
      return (Outcome(exit: exit, output: output, error: error), usage)
    }

    /// `tail` keeps its input in memory until it has found the last line, which never ends.
    @Test(arguments: launchers)
    func aCommandBeyondItsMemoryIsKilled(
      _ scope: Launcher.Scope, _ withoutClone3: Bool
    ) throws {
      let (outcome, usage) = try run(
        "exec tail -n 1 </dev/zero", [ResourceLimit(.treeMemoryBytes, 32 << 20)],
        withoutClone3: withoutClone3, scope: scope)
      guard case .signaled(SIGKILL, _) = outcome.exit.status else {
        Issue.record("ended otherwise: \(outcome.exit.status), \(outcome.error)")
        return
      }
      #expect(usage?.memoryLimit == 32 << 20)
      #expect(usage?.outOfMemoryKills == 1)
      if let peak = usage?.memoryPeak { #expect((30 << 20...32 << 20).contains(peak)) }
    }

    @Test(arguments: launchers)
    func aCommandCanNotForkBeyondItsLimit(
      _ scope: Launcher.Scope, _ withoutClone3: Bool
    ) throws {
      let (outcome, usage) = try run(
        "i=0; while [ $i -lt 40 ]; do sleep 60 >/dev/null 2>&1 & i=$((i+1)); done; echo all",
        [
          ResourceLimit(.treeProcesses, 8)
        ], withoutClone3: withoutClone3, scope: scope)
      #expect(outcome.code != 0)
      #expect(!outcome.output.contains("all"))
      #expect(usage?.processLimit == 8)
      #expect(try #require(usage?.processLimitHits) > 0)
    }

    @Test func aCommandWaitsIfItsShareIsUsedUp() throws {
      let (outcome, usage) = try run(
        "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done", [ResourceLimit(.treeCPUMilli, 200)])
      #expect(outcome.code == 0)
      #expect(try #require(usage?.throttledMicroseconds) > 0)
      #expect(try #require(usage?.cpuMicroseconds) > 0)
    }

    @Test func nothingIsLeftOfAGroup() throws {
      let launcher = try makeLauncher(scopes[0])
      var request = SpawnRequest.shell("cat /proc/self/cgroup")
      request.limits = [ResourceLimit(.treeProcesses, 10)]
      let groups = try launcher.run(request).output
      let line = try #require(groups.split(separator: "\n").first { $0.contains("/limited-") })
      #expect(line.contains("/telpher-\(getpid())-"))
      launcher.shutDown()
      let mounts = try #require(readSmallText("/proc/self/mountinfo"))
      let own = try #require(readSmallText("/proc/self/cgroup"))
      for controller in ["memory", "pids", "cpu"] {
        guard
          let place = ControlGroupMount.place(of: controller, mounts: mounts, groups: own)
        else { continue }
        let folder = open(place.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(folder) }
        for name in names(inFolder: folder, foldersOnly: true)
        where line.contains("/\(name)/") { Issue.record("\(place.folder)/\(name) is left") }
      }
    }
  }
}
