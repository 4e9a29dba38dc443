import TelpherCommand
import TelpherTestSupport
import Testing

@Suite struct CommandStateTests {
  /// The events of a command.
  enum Input: CaseIterable {
    case start, fail, exit, outputEnd, cancel, kill, grace, tree, drain, lastWait
  }

  static func apply(_ input: Input, to state: inout CommandState) -> CommandState.Actions {
    switch input {
    case .start: state.didStart(outputs: 2)
    case .fail: state.didFailToStart()
    case .exit: state.didExit()
    case .outputEnd: state.outputDidEnd()
    case .cancel: state.end(.canceled)
    case .kill: state.kill(.shutdown)
    case .grace: state.graceDidExpire()
    case .tree: state.treeIsGone()
    case .drain: state.drainDidExpire()
    case .lastWait: state.lastWaitDidExpire()
    }
  }

  typealias Row = (
    before: [Input], input: Input, actions: CommandState.Actions, phase: CommandState.Phase
  )
  static let table: [Row] = [
    ([], .start, [], .running),
    ([], .fail, .finish, .finished),
    ([], .cancel, [], .starting),
    ([], .kill, [], .starting),
    ([], .grace, [], .starting),
    ([], .drain, [], .starting),
    ([], .tree, [], .starting),
    ([.cancel], .start, .terminate, .terminating),
    ([.cancel], .fail, .finish, .finished),
    ([.kill], .start, [.kill, .startShortDrain], .killed),
    ([.cancel, .kill], .start, [.kill, .startShortDrain], .killed),
    ([.start], .exit, .startDrain, .draining),
    ([.start], .outputEnd, [], .running),
    ([.start], .cancel, .terminate, .terminating),
    ([.start], .kill, [.kill, .startShortDrain], .killed),
    ([.start], .grace, [], .running),
    ([.start], .tree, [], .running),
    ([.start], .drain, [], .running),
    ([.start, .outputEnd, .outputEnd], .exit, .finish, .finished),
    ([.start, .exit], .outputEnd, [], .draining),
    ([.start, .exit, .outputEnd], .outputEnd, .finish, .finished),
    ([.start, .exit], .drain, .takeLastOutput, .draining),
    ([.start, .exit], .cancel, [.terminate, .watchTree], .terminating),
    ([.start, .exit], .kill, [.kill, .watchTree, .startShortDrain], .killed),
    ([.start, .exit], .grace, [], .draining),
    ([.start, .exit, .cancel], .tree, .startShortDrain, .killed),
    ([.start, .exit, .outputEnd, .cancel, .outputEnd], .tree, .finish, .finished),
    ([.start, .cancel], .exit, .watchTree, .terminating),
    ([.start, .cancel], .cancel, [], .terminating),
    ([.start, .cancel], .kill, [.kill, .startShortDrain], .killed),
    ([.start, .cancel], .grace, [.kill, .startShortDrain], .killed),
    ([.start, .cancel], .drain, [], .terminating),
    ([.start, .cancel, .grace], .exit, .watchTree, .killed),
    ([.start, .cancel, .grace], .kill, [], .killed),
    ([.start, .cancel, .grace], .drain, [.takeLastOutput, .startLastWait], .killed),
    ([.start, .cancel, .grace, .exit], .drain, .takeLastOutput, .killed),
    // The process does not exit at all.
    ([.start, .cancel, .grace, .outputEnd, .outputEnd, .drain], .lastWait, .finish, .finished),
    ([.start, .cancel, .grace, .drain, .lastWait, .outputEnd], .outputEnd, .finish, .finished),
    ([.start, .cancel, .grace, .drain, .exit], .lastWait, [], .killed),
    ([.start, .exit], .lastWait, [], .draining),
    ([.start, .cancel], .lastWait, [], .terminating),
    // The process exits after the drain that follows SIGKILL.
    ([.start, .cancel, .grace, .drain, .outputEnd, .outputEnd], .exit, .finish, .finished),
    ([.start, .cancel, .grace, .drain, .exit, .outputEnd], .outputEnd, .finish, .finished),
    ([.start, .cancel, .grace, .exit, .outputEnd, .outputEnd], .tree, .finish, .finished),
    ([.start, .cancel, .grace, .exit, .outputEnd, .outputEnd], .drain, .finish, .finished),
    ([.fail], .cancel, [], .finished),
    ([.fail], .kill, [], .finished),
    ([.fail], .drain, [], .finished),
  ]

  @Test(arguments: table.indices)
  func eachEventReturnsItsActions(_ index: Int) {
    let row = Self.table[index]
    var state = CommandState()
    for input in row.before { _ = Self.apply(input, to: &state) }
    #expect(
      Self.apply(row.input, to: &state).subtracting(.takeLastOutput)
        == row.actions.subtracting(.takeLastOutput), "\(row)")
    #expect(state.phase == row.phase, "\(row)")
  }

  @Test func theFirstReasonIsKept() {
    var state = CommandState()
    _ = state.didStart(outputs: 2)
    _ = state.end(.deadline)
    _ = state.end(.canceled)
    #expect(state.reason == .deadline)
  }

  /// Runs random but possible orders of events: each started timer fires once, and the tree is
  /// checked only after `watchTree`.
  @Test(arguments: 0..<200)
  func everyOrderOfEventsFinishesExactlyOnce(_ seed: Int) {
    var generator = SeededGenerator(seed: UInt64(seed))
    for _ in 0..<20 {
      var state = CommandState()
      var open = 2
      var (started, exited, finishes) = (false, false, 0)
      var (graceRuns, drainRuns, isWatched, isGone) = (false, false, false, false)
      var lastWaitRuns = false
      var trace: [Input] = []
      while state.phase != .finished, trace.count < 200 {
        var possible: [Input] = trace.count < 20 ? [.cancel, .kill] : []
        if !started { possible += [.start, .fail] }
        // Some processes never exit.
        if started, !exited, seed % 4 != 0 { possible.append(.exit) }
        if started, !exited, seed % 4 == 0, trace.count >= 20, state.phase == .running {
          possible.append(.cancel)
        }
        if lastWaitRuns { possible.append(.lastWait) }
        if started, open > 0 { possible.append(.outputEnd) }
        if graceRuns { possible.append(.grace) }
        if drainRuns { possible.append(.drain) }
        if exited, isWatched, state.awaitsTree { possible.append(.tree) }
        guard let input = possible.randomElement(using: &generator) else { break }
        trace.append(input)
        switch input {
        case .start, .fail: started = true
        case .exit: exited = true
        case .outputEnd: open -= 1
        case .grace: graceRuns = false
        case .drain: drainRuns = false
        case .lastWait: lastWaitRuns = false
        case .tree: isGone = true
        case .cancel, .kill: break
        }
        let actions = Self.apply(input, to: &state)
        if actions.contains(.finish) { finishes += 1 }
        if actions.contains(.terminate) { (graceRuns, drainRuns) = (true, false) }
        if !actions.isDisjoint(with: [.startDrain, .startShortDrain]) {
          (graceRuns, drainRuns) = (false, true)
        }
        if actions.contains(.startLastWait) { lastWaitRuns = true }
        if actions.contains(.watchTree) { isWatched = true }
      }
      #expect(finishes == 1, "\(trace) \(isGone)")
      #expect(state.phase == .finished, "\(trace)")
    }
  }
}
