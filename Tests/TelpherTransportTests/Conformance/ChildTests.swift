import TelpherTransport
import Testing

#if canImport(Glibc)
  import Glibc
#endif

@Suite(.timeLimit(.minutes(15)))
struct ChildTests {
  @Test(arguments: Backends.all, [0, 1, 7, 255] as [Int32])
  func theExitCodeIsReported(_ backend: TransportUnderTest, _ code: Int32) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.exit(code))
      #expect(child.exits.count == 1)
      #expect(child.status == .exited(code: code))
      #expect(child.process.pid > 0)
    }
  }

  @Test(arguments: Backends.all, [SIGTERM, SIGKILL, SIGINT])
  func aSignalEndsAChild(_ backend: TransportUnderTest, _ signal: Int32) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.sleepForever)
      #expect(child.process.hasSurvivors)
      child.process.signal(signal)
      #expect(child.exits.isEmpty, "a callback came from within a call")
      child.resume()
      try await stage.until("the exit") { child.isDone }
      #expect(child.status == .signaled(signal, coreDumped: false))
      #expect(!child.process.hasSurvivors)
    }
  }

  @Test(arguments: Backends.all)
  func aSignalToTheTreeEndsAChild(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.sleepForever)
      child.process.signalTree(SIGKILL)
      try await stage.until("the exit") { child.status != nil }
      #expect(child.status == .signaled(SIGKILL, coreDumped: false))
      child.process.signalTree(SIGKILL)
      child.process.release()
    }
  }

  @Test(arguments: Backends.all)
  func aChildCanHandleASignal(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.spawn(.handleTermination)
      child.resume()
      try await stage.until("ready") { child.output?.text == "ready\n" }
      child.process.signal(SIGTERM)
      try await stage.until("the exit") { child.status != nil }
      #expect(child.status == .exited(code: 3))
    }
  }

  @Test(arguments: Backends.all)
  func aSignalAfterTheExitIsHarmless(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.exit(0))
      child.process.signal(SIGTERM)
      child.process.release()
      child.process.signal(SIGTERM)
      #expect(child.exits.count == 1)
    }
  }

  @Test(arguments: Backends.all)
  func aMissingProgramIsAnErrorOfExecution(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let error = await #expect(throws: SpawnError.self) {
        _ = try await stage.spawn(.missing)
      }
      #expect(error?.stage == .execute)
      #expect(error?.errno == ENOENT)
      #expect(error?.message.contains("/no/such/program") == true)
    }
  }

  @Test(arguments: Backends.all)
  func theChildGetsTheRequestedEnvironment(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      let child = try await stage.runToEnd(.variable("FRUIT"), environment: ["FRUIT": "a pear"])
      #expect(child.output?.text == "a pear")
      let other = try await stage.runToEnd(.variable("HOME"))
      #expect(other.output?.text == "")
    }
  }

  @Test(arguments: Backends.all)
  func fiftyChildrenCanRunAtOnce(_ backend: TransportUnderTest) async throws {
    try await backend.run { stage in
      var children: [ChildProbe] = []
      for number in 0..<50 {
        let child = try await stage.spawn(.print("out \(number)", "error \(number)"))
        child.resume()
        children.append(child)
      }
      #expect(Set(children.map(\.process.pid)).count == 50)
      for (number, child) in children.enumerated() {
        try await stage.until("the end of child \(number)") { child.isDone }
        #expect(child.status == .exited(code: 0))
        #expect(child.output?.text == "out \(number)")
        #expect(child.error?.text == "error \(number)")
      }
    }
  }
}
