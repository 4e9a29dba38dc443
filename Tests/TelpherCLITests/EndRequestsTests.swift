import Glibc
import Testing

@testable import TelpherCLI

struct EndRequestsTests {
  @Test func theFirstSignalIsForwardedAndTheSecondEndsTheClient() {
    let requests = EndRequests()
    #expect(requests.receive(SIGINT, at: 5) == .pass)
    #expect(requests.receive(SIGTERM, at: 6) == .giveUp)
  }

  /// timeout(1) sends its signal to the process and then to its process group.
  @Test func aSignalThatIsDeliveredTwiceCountsOnce() {
    let requests = EndRequests()
    #expect(requests.receive(SIGTERM, at: 5) == .pass)
    #expect(requests.receive(SIGTERM, at: 5 + EndRequests.repeatInterval - 1) == .drop)
    #expect(requests.receive(SIGTERM, at: 5 + 3 * EndRequests.repeatInterval) == .giveUp)
  }

  /// As when a key is held down.
  @Test func signalsInQuickSuccessionGiveUpAfterTheInterval() {
    let requests = EndRequests()
    let step = EndRequests.repeatInterval / 3
    #expect(requests.receive(SIGINT, at: 0) == .pass)
    #expect(requests.receive(SIGINT, at: step) == .drop)
    #expect(requests.receive(SIGINT, at: 2 * step) == .drop)
    #expect(requests.receive(SIGINT, at: 4 * step) == .giveUp)
  }
}
