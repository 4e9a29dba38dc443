import TelpherWire
import Testing

@testable import TelpherServer

@Suite struct OutletStateTests {
  /// An outlet that only has an identity.
  private final class Outlet: JobOutlet {
    func jobDidAttach(at offsets: [String: UInt64]) {}
    func open(_ channel: Channel) -> any OutputSink { preconditionFailure("not called here") }
    func jobDidTakeInput(_ count: Int, total: UInt64) {}
    func jobDidEndInput() {}
    func jobDidLeave(_ reason: JobLeave) {}
  }

  private let first = Outlet()
  private let second = Outlet()

  @Test func theNewestOutletIsAttached() {
    var state = OutletState()
    #expect(state.current == nil)
    #expect(state.attach(first) == nil)
    #expect(state.attach(second) === first)
    #expect(state.current === second)
    #expect(state.detach(first, keepsJob: false) == .ignore)
    #expect(!state.isDropped)
    #expect(state.finish().map(ObjectIdentifier.init) == [ObjectIdentifier(second)])
    #expect(state.current == nil)
  }

  @Test func outputsWaitIfTheJobIsKept() {
    var state = OutletState()
    _ = state.attach(first)
    #expect(state.detach(first, keepsJob: true) == .wait)
    #expect(state.current == nil)
    #expect(!state.isDropped)
    #expect(state.attach(second) == nil)
    #expect(state.detach(second, keepsJob: true) == .wait)
    #expect(state.finish().isEmpty)
  }

  @Test func outputsAreDroppedIfTheJobIsNotKept() {
    var state = OutletState()
    _ = state.attach(first)
    #expect(state.detach(first, keepsJob: false) == .drop)
    #expect(state.isDropped)
    // An outlet that attaches now gets the result and nothing else.
    #expect(state.attach(second) == nil)
    #expect(state.isDropped)
    #expect(state.current === second)
    // Both outlets get the result, each once.
    #expect(
      state.finish().map(ObjectIdentifier.init) == [
        ObjectIdentifier(first), ObjectIdentifier(second),
      ])
    #expect(state.finish().isEmpty)
  }

  @Test func aJobThatIsBeingEndedIsNotKept() {
    var state = OutletState()
    _ = state.attach(first)
    state.drop()
    #expect(state.current === first)
    #expect(state.detach(first, keepsJob: true) == .leave)
    #expect(state.isDropped)
    #expect(state.finish().isEmpty)
  }

  @Test func outputsAreDroppedIfNoOutletAttachesInTime() {
    var state = OutletState()
    _ = state.attach(first)
    _ = state.detach(first, keepsJob: true)
    state.drop()
    #expect(state.isDropped)
    #expect(state.current == nil)
  }
}
