import CTelpherSys
import Glibc
import TelpherTransport
import Testing

@testable import TelpherProcess

extension ProcessTests {
  @Suite struct ProcessTreeTests {
    /// Starts processes that leave the tree in every way that keeps the environment. Prints `ready`
    /// when all run.
    private static let bush = """
      sleep 1000 &
      setsid sleep 1000 &
      (setsid sh -c 'sleep 1000 & sleep 1000' &)
      (setsid sh -c '(sleep 1000 &); trap "" TERM HUP; echo ready; while :; do sleep 1000; done' &)
      sleep 1000
      """

    @Test(arguments: launchers)
    func killReachesAllProcessesThatLeft(scope: Launcher.Scope, withoutClone3: Bool) throws {
      let launcher = try makeLauncher(scope, withoutClone3: withoutClone3)
      let process = try launcher.launch(.shell(Self.bush))
      #expect(try readLine(process.output!) == "ready")
      #expect(process.hasSurvivors)
      process.signalTree(SIGKILL)
      // All of them hold the pipe, so it ends when the last one has ended.
      _ = try readAll(process.output!)
      _ = try readAll(process.error!)
      #expect(try process.awaitExit().status == .signaled(SIGKILL, coreDumped: false))
      try eventually { !process.hasSurvivors }
      process.finish()
      launcher.shutDown()
    }

    @Test(arguments: scopes)
    func killReachesProcessesWhoseLeaderHasEnded(scope: Launcher.Scope) throws {
      let launcher = try Launcher(scope: scope)
      let process = try launcher.launch(.shell("(setsid sleep 1000 &); sleep 1000 & exit 5"))
      #expect(try process.awaitExit().status == .exited(code: 5))
      #expect(process.hasSurvivors)
      process.signalTree(SIGKILL)
      _ = try readAll(process.output!)
      _ = try readAll(process.error!)
      try eventually { !process.hasSurvivors }
      process.finish()
    }

    /// Ways to leave one's parents, session and environment.
    private static let waysOut = [
      "(env -i setsid /bin/sh -c 'echo $$; exec /bin/sleep 1000' &)",
      "env -i setsid -f setsid -f /bin/sh -c 'echo $$; exec /bin/sleep 1000'",
      "env -i setsid -f /bin/sh -c '(setsid /bin/sh -c \"echo \\$\\$; exec /bin/sleep 1000\" &)'",
    ]

    @Test(arguments: scopes, waysOut)
    func killReachesProcessesThatClearedTheEnvironment(scope: Launcher.Scope, way: String) throws {
      for leader in ["exit 0", "exec sleep 1000"] {
        let launcher = try Launcher(scope: scope)
        let process = try launcher.launch(.shell("\(way); \(leader)"))
        let left = try identity(readLine(process.output!))
        process.signalTree(SIGKILL)
        _ = try process.awaitExit()
        try eventually {
          ProcessTable.entry(of: left.pid).map { $0.identity != left || $0.isZombie } ?? true
        }
        try eventually { !process.hasSurvivors }
        process.finishWithOutputs()
        launcher.shutDown()
      }
    }

    private func identity(_ pid: String) throws -> ProcessIdentity {
      let pid = try #require(Int32(pid))
      return try #require(ProcessTable.entry(of: pid)).identity
    }

    /// A process may do this if it runs as the server's user.
    @Test(.enabled(if: scopes.contains(.cgroup)))
    func signalsReachProcessesThatLeftTheControlGroup() throws {
      let group = try #require(ControlGroupMount.ownFolder())
      let launcher = try Launcher(scope: .cgroup)
      let leave = "echo $$ >\(group)/cgroup.procs"
      for (signal, command) in [
        (SIGTERM, "\(leave); echo $$; exec sleep 1000"),
        (SIGKILL, "\(leave); echo $$; exec sleep 1000"),
        (
          SIGKILL,
          "env -i setsid -f /bin/sh -c '\(leave); echo $$; exec /bin/sleep 1000'; exec sleep 1000"
        ),
      ] {
        let process = try launcher.launch(.shell(command))
        let left = try identity(readLine(process.output!))
        process.signalTree(signal)
        #expect(try process.awaitExit().status == .signaled(signal, coreDumped: false))
        try eventually {
          ProcessTable.entry(of: left.pid).map { $0.identity != left || $0.isZombie } ?? true
        }
        try eventually { !process.hasSurvivors }
        process.finishWithOutputs()
      }
      launcher.shutDown()
    }

    @Test(arguments: scopes)
    func otherSignalsReachAllProcesses(scope: Launcher.Scope) throws {
      let launcher = try Launcher(scope: scope)
      // With `exec`, because a process that is forked while the signal is sent is not reached.
      // SIGKILL repeats its walk for that case.
      let process = try launcher.launch(
        .shell(
          "(setsid sh -c 'trap \"echo got; exit\" TERM; echo ready; while :; do sleep 0.01; done' &); exec sleep 1000"
        ))
      #expect(try readLine(process.output!) == "ready")
      process.signalTree(SIGTERM)
      #expect(try readLine(process.output!) == "got")
      #expect(try process.awaitExit().status == .signaled(SIGTERM, coreDumped: false))
      try eventually { !process.hasSurvivors }
      process.finishWithOutputs()
    }

    @Test(arguments: scopes)
    func aGroupSignalDoesNotReachOtherGroups(scope: Launcher.Scope) throws {
      let launcher = try Launcher(scope: scope)
      let process = try launcher.launch(
        .shell("(setsid sh -c 'echo ready; exec sleep 1000' &); sleep 1000"))
      #expect(try readLine(process.output!) == "ready")
      process.signalGroup(SIGTERM)
      #expect(try process.awaitExit().status == .signaled(SIGTERM, coreDumped: false))
      #expect(process.hasSurvivors)
      process.signalTree(SIGKILL)
      _ = try readAll(process.output!)
      close(process.error!)
      process.finish()
    }

    /// proc(5) shows such a process as a zombie although its other threads run.
    @Test(arguments: scopes)
    func killReachesAProcessWhoseFirstThreadHasEnded(scope: Launcher.Scope) throws {
      let launcher = try Launcher(scope: scope)
      let process = try launcher.launch(
        .shell(
          """
          exec python3 -c '
          import ctypes, threading, time
          def run():
            while open("/proc/self/stat").read().rpartition(")")[2].split()[0] != "Z": pass
            print("ready", flush=True)
            time.sleep(1000)
          threading.Thread(target=run).start()
          ctypes.CDLL(None).pthread_exit(None)'
          """))
      #expect(try readLine(process.output!) == "ready")
      #expect(process.hasSurvivors)
      process.signalTree(SIGKILL)
      _ = try readAll(process.output!)
      #expect(try process.awaitExit().status == .signaled(SIGKILL, coreDumped: false))
      close(process.error!)
      process.finish()
    }

    @Test func onlyTheChildIsSignaledIfItsTreeIsNotTracked() throws {
      var request = SpawnRequest.shell("echo ready; exec sleep 1000")
      request.tracksTree = false
      let process = try Launcher().launch(request)
      #expect(try readLine(process.output!) == "ready")
      #expect(process.hasSurvivors)
      process.signalTree(SIGTERM)
      #expect(try process.awaitExit().status == .signaled(SIGTERM, coreDumped: false))
      #expect(!process.hasSurvivors)
      process.finishWithOutputs()
    }

    @Test(arguments: scopes)
    func survivorsKeepRunningAfterRelease(scope: Launcher.Scope) throws {
      let launcher = try Launcher(scope: scope)
      let process = try launcher.launch(
        .shell("(setsid sleep 1000 >/dev/null 2>&1 & echo $!)"))
      let daemon = Int32(try readLine(process.output!))!
      _ = try process.awaitExit()
      process.finishWithOutputs()
      #expect(!process.hasSurvivors)
      process.signalTree(SIGKILL)
      process.signalGroup(SIGKILL)
      _ = try launcher.run(shell: "true")
      launcher.shutDown()
      #expect(kill(daemon, 0) == 0)
      kill(daemon, SIGKILL)
    }

    @Test(arguments: scopes)
    func aZombieIsNotASurvivor(scope: Launcher.Scope) throws {
      let process = try Launcher(scope: scope).launch(.shell("exit 0"))
      try awaitReadable(process.pidDescriptor)
      #expect(!process.hasSurvivors)
      #expect(process.reap()?.status == .exited(code: 0))
      process.finishWithOutputs()
    }

    @Test func orphansAreReapedAndLaunchedProcessesAreNot() async {
      await #expect(processExitsWith: .success) {
        try Launcher.becomeSubreaper()
        let launcher = try Launcher(scope: .descendants)
        let process = try launcher.launch(.shell("(sh -c 'exit 0' & echo $!); exit 9"))
        let orphan = Int32(try readLine(process.output!))!
        try awaitReadable(process.pidDescriptor)
        try eventually {
          _ = launcher.reapOrphans()
          return kill(orphan, 0) != 0
        }
        #expect(process.reap()?.status == .exited(code: 9))
        process.finish()
      }
    }

    /// With 16 concurrent commands some launch is always under way.
    @Test func orphansAreReapedEvenIfSomeLaunchIsAlwaysUnderWay() async {
      await #expect(processExitsWith: .success) {
        try Launcher.becomeSubreaper()
        let launcher = try Launcher(scope: .descendants)
        let table = ChildTable()
        let first = table.willLaunch()
        let process = try launcher.launch(
          .shell("(sleep 1000 >/dev/null & echo $!); exec sleep 1000"))
        let orphan = Int32(try readLine(process.output!))!
        // If it ended before it is an orphan, its parent could wait for it.
        try eventually { ProcessTable.ownChildren.contains(orphan) }
        kill(orphan, SIGKILL)
        // This table must not treat the process as an orphan either.
        table.didLaunch(table.willLaunch(), process.pid)
        try eventually { table.reapOrphans() }
        let second = table.willLaunch()
        #expect(table.reapOrphans())
        #expect(kill(orphan, 0) == 0)
        table.didLaunch(first, nil)
        #expect(!table.reapOrphans())
        #expect(kill(orphan, 0) != 0)
        table.didLaunch(second, nil)
        process.signalTree(SIGKILL)
        _ = try process.awaitExit()
        process.finish()
      }
    }
  }
}
