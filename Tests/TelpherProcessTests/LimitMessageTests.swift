import Glibc
import TelpherProcess
import TelpherTransport
import Testing

struct LimitMessageTests {
  private func message(_ limits: ResourceLimit...) -> String {
    SpawnError(
      .limit, errno: EPERM,
      of: SpawnRequest(arguments: ["x"], environment: [String: String](), limits: limits)
    ).message
  }

  @Test func aLimitAboveTheServersOwnIsNamed() {
    // No system allows so many open files.
    let text = message(ResourceLimit(.coreBytes, 0), ResourceLimit(.openFiles, .max))
    #expect(
      text.hasPrefix(
        "cannot set the limit open-files to \(UInt64.max), above the server's own hard limit of "),
      "\(text)")
    #expect(text.hasSuffix(": Operation not permitted"), "\(text)")
  }

  @Test func otherwiseAllLimitsAreNamed() {
    let text = message(ResourceLimit(.coreBytes, 0), ResourceLimit(.nice, 3))
    #expect(
      text == "cannot set the limits core-size to 0 B, nice to 3: Operation not permitted")
  }
}
