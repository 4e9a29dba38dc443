import Glibc
import TelpherProcess
import TelpherTransport
import TelpherUV
import Testing

/// Tests of children, with each way to launch them.
@Suite(.timeLimit(.minutes(15))) struct ProcessTests {
  static let methods: [UVLoop.LaunchMethod] = [.workerThreads, .uvSpawn]

  /// What a child wrote, and how it ended.
  struct Outcome: Sendable {
    var text = ""
    var count = 0
    var exit: ProcessExit?
  }

  func run(
    _ arguments: [String], input: Chunk? = nil, launchMethod: UVLoop.LaunchMethod
  ) async throws -> Outcome {
    let launcher = try Launcher(scope: .descendants)
    defer { launcher.shutDown() }
    return try await withLoop(launcher: launcher, launchMethod: launchMethod) { loop in
      await loop.run { done in
        let request = SpawnRequest(
          arguments: arguments, environment: ["PATH": "/usr/bin:/bin"],
          input: input == nil ? .null : .pipe, error: .sameAsOutput)
        loop.spawn(request) { result in
          let child = try! result.get()
          var outcome = Outcome()
          var isOver = (output: false, exit: false)
          func check() {
            guard isOver == (true, true) else { return }
            #expect(!child.hasSurvivors)
            child.release()
            child.input?.close()
            child.output?.close()
            done(outcome)
          }
          child.onExit = {
            outcome.exit = $0
            isOver.exit = true
            check()
          }
          child.output?.onRead = { chunk in
            outcome.count += chunk.count
            if outcome.count < 1000 {
              outcome.text += String(decoding: [UInt8](chunk), as: UTF8.self)
            }
          }
          child.output?.onEnd = { _ in
            isOver.output = true
            check()
          }
          child.output?.resumeReading()
          if let input { child.input?.write(.init(start: nil, count: 0), input) }
          child.input?.finishWriting()
        }
      }
    }
  }

  @Test(arguments: methods)
  func theOutputAndExitOfAChildArrive(method: UVLoop.LaunchMethod) async throws {
    let outcome = try await run(
      ["sh", "-c", "echo out; echo err >&2; exit 7"], launchMethod: method)
    #expect(outcome.text == "out\nerr\n")
    #expect(outcome.exit?.status == .exited(code: 7))
  }

  @Test(arguments: methods)
  func moreBytesThanAPipeHoldsPassThroughAChild(method: UVLoop.LaunchMethod) async throws {
    let count = 8 << 20
    let outcome = try await run(
      ["cat"], input: Chunk([UInt8](repeating: 65, count: count)), launchMethod: method)
    #expect(outcome.count == count)
    #expect(outcome.exit?.status == .exited(code: 0))
  }

  // In a process of its own, because the memory that other tests hold makes reads smaller.
  @Test(.enabled(if: access("/usr/bin/python3", X_OK) == 0))
  func onlyAPipeThatIsReadInBulkIsEnlarged() async {
    await #expect(processExitsWith: .success) {
      let launcher = try Launcher(scope: .descendants)
      defer { launcher.shutDown() }
      try await withLoop(launcher: launcher) { loop in
        let sizes = [
          await pipeSize(afterReading: 100, on: loop),
          await pipeSize(afterReading: 65536, on: loop),
        ]
        precondition(sizes == ["65536", "1048576"], "\(sizes)")
      }
    }
  }

  @Test(arguments: methods)
  func launchingAMissingProgramFailsInALaterCallback(method: UVLoop.LaunchMethod) async throws {
    let launcher = try Launcher(scope: .descendants)
    defer { launcher.shutDown() }
    try await withLoop(launcher: launcher, launchMethod: method) { loop in
      let error: SpawnError? = await loop.run { done in
        var isInside = true
        loop.spawn(SpawnRequest(arguments: ["/nowhere/at/all"], environment: [:])) { result in
          #expect(!isInside)
          if case .failure(let error) = result { done(error) } else { done(nil) }
        }
        isInside = false
      }
      #expect(error?.stage == .execute)
      #expect(error?.errno == ENOENT)
    }
  }

  @Test func aSignalToItsTreeEndsAChild() async throws {
    let launcher = try Launcher(scope: .descendants)
    defer { launcher.shutDown() }
    try await withLoop(launcher: launcher) { loop in
      let exit: ProcessExit = await loop.run { done in
        let request = SpawnRequest(
          arguments: ["sleep", "1000"], environment: ["PATH": "/usr/bin:/bin"])
        loop.spawn(request) { result in
          let child = try! result.get()
          child.onExit = {
            child.release()
            done($0)
          }
          #expect(child.hasSurvivors)
          child.signalTree(SIGKILL)
        }
      }
      #expect(exit.status == .signaled(SIGKILL, coreDumped: false))
    }
  }

  @Test func shutDownCompletesAPendingLaunch() async throws {
    let launcher = try Launcher(scope: .descendants)
    defer { launcher.shutDown() }
    let loop = try UVLoop(launcher: launcher)
    let results = Results()
    await loop.run { done in
      for _ in 0..<32 {
        let request = SpawnRequest(
          arguments: ["sleep", "1000"], environment: ["PATH": "/usr/bin:/bin"])
        loop.spawn(request) { result in
          results.append((try? result.get())?.pid)
          if let child = try? result.get() { child.signalTree(SIGKILL) }
        }
      }
      done(())
    }
    await loop.shutDown()
    #expect(results.all.count == 32)
  }
}

/// Returns the size that a child reports for the pipe of its standard output, after one read
/// brought `count` bytes from it.
private func pipeSize(afterReading count: Int, on loop: UVLoop) async -> String {
  // 1032 is F_GETPIPE_SZ.
  let script = """
    import fcntl, os, sys
    os.write(1, b'x' * int(sys.argv[1])); os.read(0, 1)
    os.write(1, b'%d' % fcntl.fcntl(1, 1032))
    """
  return await loop.run { done in
    let request = SpawnRequest(
      arguments: ["python3", "-c", script, String(count)], environment: ["PATH": "/usr/bin:/bin"],
      input: .pipe)
    loop.spawn(request) { result in
      let child = try! result.get()
      var bytes: [UInt8] = []
      // Starts reading when all bytes are in the pipe, so that one read brings them all.
      func start() {
        guard child.output!.unreadBytes == count else {
          _ = loop.schedule(after: 1_000_000, start)
          return
        }
        child.output?.resumeReading()
      }
      child.output?.onRead = { chunk in
        bytes.append(contentsOf: chunk)
        if bytes.count == count { child.input?.send("\n") }
      }
      child.output?.onEnd = { _ in
        done(String(decoding: bytes.dropFirst(count), as: UTF8.self))
      }
      start()
    }
  }
}
