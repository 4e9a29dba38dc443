import Glibc
import TelpherCommand
import TelpherTestSupport
import TelpherTransport
import TelpherTransportTesting
import Testing

@Suite(.timeLimit(.minutes(15))) struct CommandProcessTests {
  /// A command whose outputs are dropped.
  private actor Command {
    nonisolated let loop: any EventLoop
    nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
    private var owner: Owner?
    private(set) var isFinished = false
    private var waiter: CheckedContinuation<Void, Never>?

    init(on loop: any EventLoop) { self.loop = loop }

    /// - Parameter readsOutputs: if false, the outputs end only when the wait for them is over.
    func launch(
      _ program: String, grace: UInt64 = .max, drain: UInt64? = nil, readsOutputs: Bool = true
    ) {
      let owner = Owner(
        CommandProcess(on: loop, CommandProcess.Times(grace: grace, drain: drain)),
        readsOutputs: readsOutputs)
      owner.didFinish = { [self] in assumeIsolated { $0.didFinish() } }
      self.owner = owner
      owner.process.launch(SpawnRequest(arguments: [SystemString(program)], environment: [:]))
    }

    func end() { owner?.process.end(.canceled) }
    func kill() { owner?.process.kill(.shutdown) }
    func signal(_ signal: Int32) { owner?.process.signal(signal) }
    var status: ProcessExit.Status? { owner?.process.exit?.status }
    var failure: String? { owner?.process.failure?.message }
    var reason: CommandState.Reason? { owner?.process.reason }

    func finished() async {
      // The closure may run one turn of the loop later than this method.
      await withCheckedContinuation { continuation in
        if isFinished { continuation.resume() } else { waiter = continuation }
      }
    }

    private func didFinish() {
      isFinished = true
      waiter?.resume()
      waiter = nil
    }
  }

  private final class Owner: CommandProcessDelegate {
    let process: CommandProcess
    var didFinish: () -> Void = {}
    private let readsOutputs: Bool
    private var pipes: [any ByteStream] = []

    init(_ process: CommandProcess, readsOutputs: Bool) {
      self.process = process
      self.readsOutputs = readsOutputs
      process.delegate = self
    }

    func processDidStart(_ child: any ChildProcess) {
      pipes = [child.output, child.error].compactMap { $0 }
      for pipe in pipes {
        pipe.onEnd = { [unowned self] _ in process.outputDidEnd() }
        if readsOutputs { pipe.resumeReading() }
      }
    }

    func processWillEnd(_ exit: ProcessExit) {}

    func processNeedsLastOutput() {
      for pipe in pipes {
        pipe.close()
        process.outputDidEnd()
      }
    }

    func processDidFinish() { didFinish() }
  }

  private func withCommand(
    _ body: (Command, Puppet) async throws -> Void
  ) async rethrows {
    let loop = MemoryLoop(network: MemoryNetwork())
    try await body(Command(on: loop), Puppet(on: loop))
    await loop.shutDown()
  }

  @Test func aCommandFinishesWithItsExitAndItsOutputs() async {
    await withCommand { command, puppet in
      await command.launch("puppet")
      await puppet.started()
      await puppet.print("x")
      #expect(await !command.isFinished)
      await puppet.exit(3)
      await command.finished()
      #expect(await command.status == .exited(code: 3))
      #expect(await command.reason == nil)
      #expect(await puppet.signals.isEmpty)
    }
  }

  @Test func outputsThatStayOpenEndAfterTheDrain() async {
    await withCommand { command, puppet in
      await command.launch("puppet", drain: 1_000_000, readsOutputs: false)
      await puppet.started()
      await puppet.print("x")
      await puppet.exit(4)
      await command.finished()
      #expect(await command.status == .exited(code: 4))
    }
  }

  @Test func aFailedLaunchFinishesTheCommand() async {
    await withCommand { command, _ in
      await command.launch("nothing")
      await command.finished()
      #expect(await command.failure != nil)
      #expect(await command.status == nil)
    }
  }

  @Test func aCommandThatIsEndedGetsSIGTERMAndAfterTheGraceSIGKILL() async {
    await withCommand { command, puppet in
      await puppet.ignoreSignals()
      await command.launch("puppet", grace: 1_000_000)
      await puppet.started()
      await command.end()
      await command.finished()
      #expect(await command.status == .signaled(SIGKILL, coreDumped: false))
      #expect(await command.reason == .canceled)
      #expect(await puppet.signals.prefix(2) == [SIGTERM, SIGCONT])
    }
  }

  @Test func aCommandThatIsKilledGetsNoSIGTERM() async {
    await withCommand { command, puppet in
      await puppet.ignoreSignals()
      await command.launch("puppet")
      await puppet.started()
      await command.kill()
      await command.finished()
      #expect(await command.status == .signaled(SIGKILL, coreDumped: false))
      #expect(await command.reason == .shutdown)
      #expect(await !puppet.signals.contains(SIGTERM))
    }
  }

  @Test func signalsBeforeTheStartArriveAfterIt() async {
    await withCommand { command, puppet in
      await puppet.ignoreSignals()
      await command.launch("puppet")
      await command.signal(SIGUSR1)
      await puppet.until { $0.signals == [SIGUSR1] }
      await puppet.exit()
      await command.finished()
    }
  }
}
