import Glibc
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite(.timeLimit(.minutes(15)))
struct MemoryProgramTests {
  @Test(arguments: [
    (["true"], "", 0), (["false"], "", 1), (["/bin/true"], "", 0), (["exit", "260"], "", 4),
    (["echo", "a", "b"], "a b\n", 0), (["sleep", "0"], "", 0), (["sleep", "x"], "", 1),
    (["env"], "A=1\nB=2\nPATH=/usr/bin:/bin\n", 0),
  ])
  func theBuiltInProgramsBehaveLikeTheRealOnes(
    _ arguments: [String], _ output: String, _ code: Int32
  ) async throws {
    let network = MemoryNetwork()
    try await TransportUnderTest(network, arguments).run { stage in
      let child = try await stage.runToEnd(.missing, environment: ["A": "1", "B": "2"])
      #expect(child.output?.text == output)
      #expect(child.status == .exited(code: code))
    }
  }

  @Test func aProgramGetsTheWholeRequest() async throws {
    let network = MemoryNetwork()
    network.register(
      "show",
      MemoryProgram { process in
        process.print(process.arguments.joined(separator: ","))
        process.printError(process.request.directory?.description ?? "nowhere")
        process.exit(0)
      })
    try await TransportUnderTest(network, ["show", "x"]).run { stage in
      let child = try await stage.runToEnd(.missing)
      #expect(child.output?.text == "show,x")
      #expect(child.error?.text == "nowhere")
    }
  }

  @Test func aProgramDoesNotExitBeforeItsOutputIsInThePipe() async throws {
    var options = MemoryNetwork.Options()
    options.pipeCapacity = 4
    let network = MemoryNetwork(options: options)
    try await TransportUnderTest(network, ["echo", "much more"]).run { stage in
      let child = try await stage.spawn(.missing)
      try await stage.settle()
      #expect(child.status == nil)
      child.resume()
      try await stage.until("the end") { child.isDone }
      #expect(child.output?.text == "much more\n")
    }
  }

  @Test func aSignalDropsUnwrittenOutput() async throws {
    var options = MemoryNetwork.Options()
    options.pipeCapacity = 4
    let network = MemoryNetwork(options: options)
    try await TransportUnderTest(network, ["echo", "much more"]).run { stage in
      let child = try await stage.spawn(.missing)
      child.process.signal(SIGKILL)
      child.resume()
      try await stage.until("the end") { child.isDone }
      #expect(child.status == .signaled(SIGKILL, coreDumped: false))
      #expect(child.output?.bytes.count ?? 0 <= 8)
    }
  }

  @Test func networksAreIsolated() async throws {
    try await Backends.memory.run { stage in
      let door = try stage.listen(.unix)
      let address = door.socket.address
      try await Backends.memory.run { other in
        let error = try await other.connectError(to: address)
        #expect(error.code == .unreachable)
      }
    }
  }

  @Test func aTaskResumedAfterShutDownStillEnds() async throws {
    let loop = MemoryLoop()
    let (ticks, source) = AsyncStream<Void>.makeStream()
    let task = Task(executorPreference: loop) {
      for await _ in ticks {}
      return loop.isCurrent
    }
    await loop.shutDown()
    source.finish()
    #expect(await task.value)
  }
}

extension TransportUnderTest {
  /// A backend whose loops are on `network` and on which every command runs `arguments`.
  fileprivate init(_ network: MemoryNetwork, _ arguments: [String]) {
    self.init("memory", hasDescriptors: false) { count in
      Rig(
        loops: (0..<count).map { _ in MemoryLoop(network: network) }, command: { _ in arguments },
        raise: { _ in })
    }
  }
}
