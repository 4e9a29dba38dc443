import CTelpherSys
import Glibc
import TelpherProcess
import TelpherTransport
import Testing

extension ProcessTests {
  @Suite struct LauncherTests {
    @Test(arguments: launchers)
    func theExitCodeAndOutputsAreReturned(scope: Launcher.Scope, withoutClone3: Bool) throws {
      let launcher = try makeLauncher(scope, withoutClone3: withoutClone3)
      let outcome = try launcher.run(shell: "echo out; echo err >&2; exit 7")
      #expect(outcome.code == 7)
      #expect(outcome.output == "out\n")
      #expect(outcome.error == "err\n")
      launcher.shutDown()
    }

    @Test func theLargestResidentSetIsTheChildsOrIsNotReported() throws {
      let launcher = try makeLauncher(.automatic)
      let small = try launcher.run(shell: "exit 0")
      #expect(small.exit.usage.maxResidentKiB == nil)
      // The shell holds a large variable: more memory than this process has.
      let large = try launcher.run(shell: "x=$(head -c 128000000 /dev/zero | tr '\\0' x); exit 0")
      // Under a sanitizer this process may be larger than the child. The value is not reported
      // then.
      var own = rusage()
      getrusage(Int32(RUSAGE_SELF.rawValue), &own)
      #expect(large.exit.usage.maxResidentKiB ?? Int64(own.ru_maxrss) > 100_000)
      launcher.shutDown()
    }

    @Test func theSignalThatEndedAChildIsReported() throws {
      let outcome = try Launcher().run(shell: "kill -USR1 $$")
      #expect(outcome.exit.status == .signaled(SIGUSR1, coreDumped: false))
    }

    @Test func theExitCanBeReadAgain() throws {
      let process = try Launcher().launch(.shell("exit 3"))
      let first = try process.awaitExit()
      #expect(process.reap() == first)
      process.finish()
      #expect(process.reap()?.status == first.status)
      for pipe in [process.output, process.error] { close(pipe!) }
    }

    @Test(arguments: [false, true])
    func aMissingProgramIsReported(withoutClone3: Bool) throws {
      let launcher = try makeLauncher(.automatic, withoutClone3: withoutClone3)
      for program in ["/no/such/program", "no-such-program", ""] {
        let error = #expect(throws: SpawnError.self) {
          try launcher.launch(SpawnRequest(arguments: [program], environment: [:]))
        }
        #expect(error?.stage == .execute)
        #expect(error?.errno == ENOENT)
      }
    }

    @Test func aFileWithoutExecutePermissionIsReported() throws {
      try withTemporaryFolder { folder in
        write("#!/bin/sh\n", to: folder + "/tool", mode: 0o644)
        let error = #expect(throws: SpawnError.self) {
          try Launcher().launch(
            SpawnRequest(arguments: ["tool"], environment: ["PATH": "\(folder):/no/such:/bin"]))
        }
        #expect(error?.stage == .execute)
        #expect(error?.errno == EACCES)
      }
    }

    @Test func aFileWithoutExecutePermissionDoesNotEndTheSearch() throws {
      try withTemporaryFolder { folder in
        write("#!/bin/sh\n", to: folder + "/true", mode: 0o644)
        let outcome = try Launcher().run(
          SpawnRequest(arguments: ["true"], environment: ["PATH": "\(folder):/bin"]))
        #expect(outcome.code == 0)
      }
    }

    /// execvp(3), env(1) and every shell do the same.
    @Test(arguments: [false, true])
    func theShellRunsAScriptWithoutAnInterpreter(withoutClone3: Bool) throws {
      try withTemporaryFolder { folder in
        write("echo \"$0\" \"$#\" \"$1\" \"$2\"\n", to: folder + "/tool", mode: 0o755)
        let launcher = try makeLauncher(.automatic, withoutClone3: withoutClone3)
        let arguments = [["tool"], ["tool", ""], ["tool", "a b", "*"]]
        for arguments in arguments {
          let outcome = try launcher.run(
            SpawnRequest(
              arguments: arguments, environment: ["PATH": "/no/such:\(folder):/usr/bin:/bin"]))
          let given = arguments.dropFirst() + ["", ""]
          #expect(
            outcome.output
              == "\(folder)/tool \(arguments.count - 1) \(given.prefix(2).joined(separator: " "))\n"
          )
          #expect(outcome.code == 0)
        }
        launcher.shutDown()
      }
    }

    /// A client may have opened and reset a thousand streams before the first command is launched.
    @Test func aCanceledRequestIsNotStarted() throws {
      try withTemporaryFolder { folder in
        var request = SpawnRequest.shell("echo x >\(folder)/file")
        request.isCanceled = { true }
        let launcher = try makeLauncher(.automatic)
        let error = #expect(throws: SpawnError.self) { try launcher.launch(request) }
        #expect(error?.errno == ECANCELED)
        #expect(access("\(folder)/file", F_OK) != 0)
        request.isCanceled = { false }
        #expect(try launcher.run(request).code == 0)
        #expect(access("\(folder)/file", F_OK) == 0)
        launcher.shutDown()
      }
    }

    @Test func aMissingDirectoryIsReported() throws {
      let error = #expect(throws: SpawnError.self) {
        try Launcher().launch(
          SpawnRequest(arguments: ["true"], environment: [:], directory: "/no/such/folder"))
      }
      #expect(error?.stage == .directory)
      #expect(error?.errno == ENOENT)
      #expect(error?.message == "cannot enter '/no/such/folder': No such file or directory")
    }

    @Test func theChildRunsInTheGivenDirectory() throws {
      let outcome = try Launcher().run(
        SpawnRequest(arguments: ["/bin/pwd"], environment: [:], directory: "/usr"))
      #expect(outcome.output == "/usr\n")
    }

    @Test func theProgramIsSearchedInTheChildsPath() throws {
      try withTemporaryFolder { folder in
        write("#!/bin/sh\necho mine\n", to: folder + "/true", mode: 0o755)
        let launcher = try Launcher()
        let found = try launcher.run(
          SpawnRequest(arguments: ["true"], environment: ["PATH": "/no/such:\(folder)"]))
        #expect(found.output == "mine\n")
        let here = try launcher.run(
          SpawnRequest(arguments: ["true"], environment: ["PATH": ":/bin"], directory: folder))
        #expect(here.output == "mine\n")
      }
    }

    @Test func withoutPATHTheDefaultFoldersAreSearched() throws {
      #expect(try Launcher().run(SpawnRequest(arguments: ["true"], environment: [:])).code == 0)
    }

    @Test func argumentsArriveVerbatim() throws {
      let arguments = ["", "a b", "*", "$HOME", "\"'\\", "é\u{1F680}", "", "-n"]
      let outcome = try Launcher().run(
        SpawnRequest(arguments: ["printf", "[%s]"] + arguments, environment: searchPath))
      #expect(outcome.output == arguments.map { "[\($0)]" }.joined())
    }

    @Test func theChildGetsOnlyTheGivenEnvironment() throws {
      let outcome = try makeLauncher(.automatic).run(
        SpawnRequest(
          arguments: ["/usr/bin/env"], environment: ["A": "1", "B": "x=y\nz"], tracksTree: false))
      #expect(outcome.output == "A=1\nB=x=y\nz\n" || outcome.output == "B=x=y\nz\nA=1\n")
    }

    @Test func stringsThatCannotBePassedOnAreRefused() throws {
      let launcher = try Launcher()
      let requests = [
        SpawnRequest(arguments: [String](), environment: [:]),
        SpawnRequest(arguments: ["true", "a\0b"], environment: [:]),
        SpawnRequest(arguments: ["true"], environment: ["A": "\0"]),
        SpawnRequest(arguments: ["true"], environment: ["A=B": ""]),
        SpawnRequest(arguments: ["true"], environment: ["": ""]),
      ]
      for request in requests {
        let error = #expect(throws: SpawnError.self) { try launcher.launch(request) }
        #expect(error?.errno == EINVAL)
      }
    }

    @Test func argumentsThatAreTooLongAreReported() throws {
      let error = #expect(throws: SpawnError.self) {
        try Launcher().launch(
          SpawnRequest(
            arguments: ["true", String(repeating: "x", count: 4 << 20)], environment: searchPath))
      }
      #expect(error?.stage == .execute)
      #expect(error?.errno == E2BIG)
    }

    @Test(arguments: [false, true])
    func onlyThreeDescriptorsAreOpenInTheChild(withoutClone3: Bool) throws {
      let extra = (0..<20).map { _ in dup(0) }
      defer { for descriptor in extra { close(descriptor) } }
      let outcome = try makeLauncher(.automatic, withoutClone3: withoutClone3).run(
        SpawnRequest(arguments: ["ls", "/proc/self/fd"], environment: searchPath))
      // 3 is the folder that ls reads.
      #expect(outcome.output == "0\n1\n2\n3\n")
    }

    @Test(arguments: [false, true])
    func signalsAreResetInTheChild(withoutClone3: Bool) throws {
      let launcher = try makeLauncher(.automatic, withoutClone3: withoutClone3)
      let before = Glibc.signal(SIGPIPE, SIG_IGN)
      defer { _ = Glibc.signal(SIGPIPE, before) }
      var mask = sigset_t()
      sigaddset(&mask, SIGUSR1)
      var old = sigset_t()
      pthread_sigmask(SIG_BLOCK, &mask, &old)
      defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
      var during = sigset_t()
      pthread_sigmask(SIG_BLOCK, nil, &during)
      let outcome = try launcher.run(
        SpawnRequest(
          arguments: ["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], environment: searchPath
        ))
      #expect(
        outcome.output
          == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n")
      var after = sigset_t()
      pthread_sigmask(SIG_BLOCK, nil, &after)
      for signal in 1...64 {
        #expect(sigismember(&after, Int32(signal)) == sigismember(&during, Int32(signal)))
      }
    }

    @Test func outputCanBeOpenedByItsName() throws {
      let outcome = try Launcher().run(shell: "echo a >/dev/stdout; echo b >/dev/stderr")
      #expect(outcome.output == "a\n")
      #expect(outcome.error == "b\n")
    }

    @Test func inputIsAPipeOrEmpty() throws {
      var request = SpawnRequest.shell("cat")
      #expect(try Launcher().run(request).output == "")
      request.input = .pipe
      let process = try Launcher().launch(request)
      #expect(Glibc.write(process.input!, "hello\n", 6) == 6)
      close(process.input!)
      #expect(try readAll(process.output!) == "hello\n")
      #expect(try process.awaitExit().status == .exited(code: 0))
      close(process.error!)
      process.finish()
    }

    @Test func standardErrorCanBeMergedIntoTheOutput() throws {
      var request = SpawnRequest.shell("echo a; echo b >&2; echo c")
      request.error = .sameAsOutput
      let outcome = try Launcher().run(request)
      #expect(outcome.output == "a\nb\nc\n")
      #expect(outcome.error == "")
    }

    @Test func ourEndsOfPipesAreNonblocking() throws {
      var request = SpawnRequest.shell("cat")
      request.input = .pipe
      let process = try Launcher().launch(request)
      for pipe in [process.input!, process.output!, process.error!] {
        #expect(fcntl(pipe, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(pipe, F_GETFD) & FD_CLOEXEC != 0)
      }
      #expect(fcntl(process.pidDescriptor, F_GETFD) & FD_CLOEXEC != 0)
      close(process.input!)
      _ = try process.awaitExit()
      close(process.output!)
      close(process.error!)
      process.finish()
    }

    @Test(arguments: launchers)
    func onlyATrackedChildLeavesOurGroupAndSession(
      scope: Launcher.Scope, withoutClone3: Bool
    ) throws {
      // The child's group, session and terminal; 0 means none.
      var request = SpawnRequest.shell("cut -d ' ' -f 5,6,7 /proc/$$/stat; echo $$")
      let launcher = try makeLauncher(scope, withoutClone3: withoutClone3)
      let lines = try launcher.run(request).output.split(separator: "\n")
      let session = launcher.killScope == .cgroup ? "\(getsid(0))" : "\(lines[1])"
      #expect(lines[0] == "\(lines[1]) \(session) 0")
      request.tracksTree = false
      #expect(try launcher.run(request).output.hasPrefix("\(getpgrp()) \(getsid(0)) "))
    }

    @Test func limitsAreSet() throws {
      var request = SpawnRequest.shell("ulimit -n; ulimit -Hn; ulimit -f; ulimit -c; ulimit -t")
      request.limits = [
        .init(.openFiles, 77), .init(.fileBytes, 1 << 20), .init(.coreBytes, 0),
        .init(.cpuSeconds, 9),
      ]
      #expect(try Launcher().run(request).output == "77\n77\n2048\n0\n9\n")
    }

    @Test func theLimitOfProcessorTimeEndsTheChild() throws {
      var request = SpawnRequest.shell("while :; do :; done")
      request.limits = [.init(.cpuSeconds, 1), .init(.coreBytes, 0)]
      let status = try Launcher().run(request).exit.status
      #expect(status == .signaled(SIGXCPU, coreDumped: false))
    }

    @Test func aLimitThatCannotBeSetIsReported() throws {
      var request = SpawnRequest.shell("true")
      request.limits = [.init(.openFiles, 1 << 40)]
      let error = #expect(throws: SpawnError.self) { try Launcher().launch(request) }
      #expect(error?.stage == .limit)
      #expect(error?.errno == EPERM)
    }

    @Test func childrenGetTheLaunchersSoftDescriptorLimit() throws {
      let launcher = try Launcher(scope: .descendants, softDescriptorLimit: 123)
      var request = SpawnRequest.shell("ulimit -n; ulimit -Hn")
      var soft: UInt64 = 0
      var hard: UInt64 = 0
      _ = telpher_get_limit(telpher_limit_nofile, &soft, &hard)
      #expect(try launcher.run(request).output == "123\n\(hard)\n")
      request.limits = [.init(.openFiles, 50)]
      #expect(try launcher.run(request).output == "50\n50\n")
    }

    @Test(arguments: scopes)
    func launchesFromManyThreadsDoNotMix(scope: Launcher.Scope) async throws {
      let launcher = try Launcher(scope: scope)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<40 {
          group.addTask {
            let outcome = try launcher.run(shell: "echo \(number); exit \(number)")
            #expect(outcome.output == "\(number)\n")
            #expect(outcome.code == Int32(number))
          }
        }
        try await group.waitForAll()
      }
      launcher.shutDown()
    }
  }
}
