import CTelpherSys
import Glibc
import TelpherProcess
import TelpherTransport
import Testing

/// Tests of state that a whole process shares. Those that change or count it run in a process of
/// their own.
extension ProcessTests {
  @Suite struct DescriptorTests {
    @Test func launchesLeakNoDescriptor() async {
      await #expect(processExitsWith: .success) {
        for scope in scopes {
          let launcher = try Launcher(scope: scope)
          _ = try launcher.run(shell: "true")
          let before = openDescriptors()
          for round in 0..<1000 {
            if round % 4 == 0 {
              // Fails after all resources for the launch were created.
              #expect(throws: SpawnError.self) {
                try launcher.launch(SpawnRequest(arguments: ["/no/such"], environment: [:]))
              }
            } else {
              _ = try launcher.run(SpawnRequest(arguments: ["/bin/true"], environment: [:]))
            }
          }
          #expect(openDescriptors() == before)
          launcher.shutDown()
        }
        #expect(waitpid(-1, nil, WNOHANG) == -1)
        #expect(errno == ECHILD)
      }
    }

    @Test func runningOutOfDescriptorsIsReportedAndTemporary() async {
      await #expect(processExitsWith: .success) {
        #expect(telpher_set_soft_limit(telpher_limit_nofile, 64) == 0)
        for scope in scopes {
          let launcher = try Launcher(scope: scope)
          let before = openDescriptors()
          for _ in 0..<3 {
            var processes: [LaunchedProcess] = []
            var request = SpawnRequest.shell("cat")
            request.input = .pipe
            let error = #expect(throws: SpawnError.self) {
              while true { processes.append(try launcher.launch(request)) }
            }
            #expect(error?.stage == .resources)
            #expect(error?.errno == EMFILE)
            #expect(processes.count >= 6)
            for process in processes {
              close(process.input!)
              _ = try process.awaitExit()
              close(process.output!)
              close(process.error!)
              process.finish()
            }
          }
          launcher.shutDown()
          #expect(openDescriptors() <= before)
        }
      }
    }

    @Test func launchesWorkIfOurStandardDescriptorsAreClosed() async {
      await #expect(processExitsWith: .success) {
        let launcher = try Launcher()
        close(0)
        close(1)
        // Pipes now get the numbers 0 and 1.
        var request = SpawnRequest.shell("cat; echo err >&2")
        request.input = .pipe
        let process = try launcher.launch(request)
        #expect(write(process.input!, "x\n", 2) == 2)
        close(process.input!)
        let output = try readAll(process.output!)
        let error = try readAll(process.error!)
        #expect(output == "x\n")
        #expect(error == "err\n")
        _ = try process.awaitExit()
        process.finish()
      }
    }

    @Test func anIgnoredSIGCHLDDoesNotLoseTheStatus() async {
      await #expect(processExitsWith: .success) {
        signal(SIGCHLD, SIG_IGN)
        let outcome = try Launcher().run(shell: "exit 4")
        #expect(outcome.code == 4)
      }
    }

    @Test func thePeerOfAUnixSocketIsReported() {
      var ends: [Int32] = [-1, -1]
      #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
      var uid: UInt32 = 0
      var pid: Int32 = 0
      #expect(telpher_peer_credentials(ends[0], &uid, &pid) == 0)
      #expect(uid == getuid())
      #expect(pid == getpid())
      for end in ends { close(end) }
    }

    @Test func theSizeAndUnreadBytesOfAPipeAreReported() {
      var ends: [Int32] = [-1, -1]
      #expect(telpher_pipe(&ends) == 0)
      #expect(telpher_set_pipe_size(ends[1], 1 << 18) == 1 << 18)
      #expect(write(ends[1], "abc", 3) == 3)
      #expect(telpher_unread_bytes(ends[0]) == 3)
      for end in ends { close(end) }
    }
  }
}
