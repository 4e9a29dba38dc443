import Glibc
import Testing

@testable import TelpherCLI

struct EndRequestsTests {
  @Test func theFirstIsPassedOnAndTheSecondEndsTheClient() {
    let requests = EndRequests()
    #expect(requests.receive(SIGINT, at: 5) == .pass)
    #expect(requests.receive(SIGTERM, at: 6) == .giveUp)
  }

  /// timeout(1) sends its signal to the process and to its group.
  @Test func oneSignalThatIsDeliveredTwiceIsOneRequest() {
    let requests = EndRequests()
    #expect(requests.receive(SIGTERM, at: 5) == .pass)
    #expect(requests.receive(SIGTERM, at: 5 + EndRequests.oneRequest - 1) == .drop)
    #expect(requests.receive(SIGTERM, at: 5 + 3 * EndRequests.oneRequest) == .giveUp)
  }
}
