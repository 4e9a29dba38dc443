import TelpherTransport
import Testing

@testable import TelpherServer

@Suite struct ConnectionStateTests {
  private final class Timer: LoopTimer {
    private(set) var isCanceled = false
    func cancel() { isCanceled = true }
  }

  private let timer = Timer()

  private func opening(_ quota: ConnectionState.Quota) -> ConnectionState {
    var state = ConnectionState(quota)
    state.awaitHello(until: timer)
    return state
  }

  @Test func aStrangersHelloEndsTheWaitAndMovesItToTheConnections() {
    var state = opening(.strangers)
    #expect(state.quota == .strangers)
    #expect(!state.hasOpened)
    let action = state.didReceiveHello()
    #expect(action == .count)
    #expect(timer.isCanceled)
    #expect(state.quota == .connections)
    #expect(state.hasOpened)
  }

  @Test func aKnownClientIsNotCountedAgain() {
    var state = opening(.connections)
    let action = state.didReceiveHello()
    #expect(action == .proceed)
    #expect(state.quota == .connections)
  }

  @Test func aClientThatIsRefusedAtOnceNeedsItsLink() {
    var state = ConnectionState(.none)
    let startsLink = state.refuse()
    #expect(startsLink)
    #expect(state.isRefused)
    #expect(!state.hasOpened)
  }

  @Test func anEvictedStrangerCountsTowardsNothing() {
    var state = opening(.strangers)
    let startsLink = state.refuse()
    #expect(!startsLink)
    #expect(timer.isCanceled)
    #expect(state.quota == .none)
    let action = state.didReceiveHello()
    #expect(action == .ignore)
    #expect(!state.hasOpened)
  }

  @Test func aStrangerWithoutAPlaceHasOpenedItsConnection() {
    var state = opening(.strangers)
    _ = state.didReceiveHello()
    state.refuseOpened()
    #expect(state.quota == .none)
    #expect(state.isRefused)
    #expect(state.hasOpened)
  }

  @Test func theEndOfAConnectionCancelsItsTimer() {
    opening(.strangers).didEnd()
    #expect(timer.isCanceled)
  }
}
