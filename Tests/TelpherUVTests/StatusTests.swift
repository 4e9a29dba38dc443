import CLibUV
import TelpherTransport
import Testing

@testable import TelpherUV

/// How failures of libuv are reported.
struct StatusTests {
  /// Both backends and the system calls report a lack of resources alike.
  @Test(arguments: [UV_EMFILE, UV_ENFILE, UV_ENOMEM, UV_ENOBUFS, UV_EAGAIN])
  func aLackOfResourcesIsReportedAsSuch(_ status: uv_errno_t) {
    #expect(UVStatus(status.rawValue).error("connect").code == .exhausted)
  }
}
