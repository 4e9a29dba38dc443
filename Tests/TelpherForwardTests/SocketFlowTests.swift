import Testing

@testable import TelpherForward

@Suite struct SocketFlowTests {
  /// A flow whose socket is open.
  private func opened() -> SocketFlow {
    var flow = SocketFlow()
    #expect(flow.didOpen() == .none)
    return flow
  }

  @Test func theStreamMayEndFirst() {
    var flow = opened()
    #expect(flow.reads && flow.takesBytes)
    #expect(flow.receiveEnd() == .endWriting)
    #expect(flow.isEnding && flow.reads && !flow.takesBytes && !flow.hasExchangedEnds)
    #expect(flow.didWriteAll() == .none)
    #expect(!flow.isEnding)
    flow.didReadEnd()
    #expect(!flow.reads && !flow.hasExchangedEnds)
    #expect(flow.didSendEnd() == .finish)
    #expect(flow.isOver)
  }

  @Test func theSocketMayEndFirst() {
    var flow = opened()
    flow.didReadEnd()
    #expect(!flow.reads && flow.takesBytes)
    #expect(flow.didSendEnd() == .none)
    #expect(flow.receiveEnd() == .endWriting)
    #expect(flow.hasExchangedEnds)
    #expect(flow.didWriteAll() == .finish)
    #expect(flow.isOver)
  }

  @Test func theStreamMayEndBeforeTheSocketIsOpen() {
    var flow = SocketFlow()
    #expect(flow.takesBytes && !flow.reads)
    #expect(flow.receiveEnd() == .none)
    #expect(!flow.takesBytes)
    #expect(flow.receiveEnd() == .none)
    #expect(flow.didOpen() == .endWriting)
    #expect(flow.isEnding && flow.reads)
  }

  /// Each event may come again, or too late, without an effect.
  @Test func repeatedEventsHaveNoEffect() {
    var flow = opened()
    #expect(flow.didWriteAll() == .none)
    #expect(flow.didSendEnd() == .none)
    #expect(flow.receiveEnd() == .endWriting)
    #expect(flow.receiveEnd() == .none)
    let (first, second) = (flow.giveUp(), flow.giveUp())
    #expect(first && !second)
    #expect(flow.receiveEnd() == .none)
    #expect(flow.didWriteAll() == .none)
    flow.didReadEnd()
    #expect(flow.didSendEnd() == .none)
    #expect(flow.isOver && !flow.reads && !flow.takesBytes && !flow.hasExchangedEnds)
  }
}
