import Testing

@testable import TelpherHandOver

struct HandOverStateTests {
  @Test func theSocketsGoToTheProcessThatServes() {
    var state = HandOverState.serving
    let refusals = [state.take(by: 7), state.ready()]
    #expect(refusals == [nil, nil])
    state.serves()
    #expect(state == .handedOver(to: 7))
    let late = state.take(by: 8)
    #expect(late?.contains("7") == true)
    let isOwner = state.end()
    #expect(!isOwner)
  }

  @Test func onlyOneProcessAtATimeIsOfferedTheSockets() {
    var state = HandOverState.serving
    let answers = [state.take(by: 7), state.take(by: 8), state.ready(), state.take(by: 8)]
    #expect(answers.map { $0 == nil } == [true, false, true, false])
    #expect(answers[1]?.contains("process 7") == true)
    #expect(state == .committed(to: 7))
  }

  @Test(arguments: [false, true])
  func aProcessThatLeavesBeforeItServesLeavesTheSocketsToTheServer(isReady: Bool) {
    var state = HandOverState.serving
    _ = state.take(by: 7)
    if isReady { _ = state.ready() }
    state.didLeave()
    #expect(state == .serving)
    let refusal = state.take(by: 8)
    #expect(refusal == nil)
  }

  @Test func aServerThatEndsHandsNothingOver() {
    var state = HandOverState.serving
    _ = state.take(by: 7)
    let isOwner = state.end()
    let refusal = state.ready()
    #expect(isOwner && refusal != nil)
    state.didLeave()
    #expect(state == .ending)
    let late = state.take(by: 8)
    #expect(late != nil)
  }

  @Test func aProcessThatMayServeKeepsTheSocketsOfAServerThatEnds() {
    var state = HandOverState.serving
    _ = state.take(by: 7)
    _ = state.ready()
    let isOwner = state.end()
    #expect(!isOwner)
    state.serves()
    #expect(state == .handedOver(to: 7))
  }
}
