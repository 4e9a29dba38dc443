import Glibc
import Testing

@testable import TelpherClient

struct LoginJobTests {
  private func action(
    _ signal: Int32, _ foreground: LoginJob.Foreground, canStop: Bool
  ) -> LoginJob.Action {
    LoginJob.carrierDidStop(by: signal, foreground: foreground, canStop: { _ in canStop })
  }

  @Test(arguments: [LoginJob.Foreground.own, .carrier, .other])
  func aStopByTheUserStopsTheJob(_ foreground: LoginJob.Foreground) {
    #expect(action(SIGTSTP, foreground, canStop: true) == .stopJob(SIGTSTP))
    // Without a shell nothing could continue the job.
    #expect(action(SIGTSTP, foreground, canStop: false) == .continueCarrier)
    #expect(action(SIGSTOP, foreground, canStop: true) == .stopJob(SIGTSTP))
  }

  @Test(arguments: [SIGTTIN, SIGTTOU])
  func aCarrierThatWantsTheTerminalGetsItIfTheJobHasIt(_ signal: Int32) {
    #expect(action(signal, .own, canStop: true) == .lend)
    #expect(action(signal, .carrier, canStop: true) == .continueCarrier)
    #expect(action(signal, .other, canStop: true) == .stopJob(signal))
    #expect(action(signal, .other, canStop: false) == .giveUp)
  }

  @Test func aSignalOfTheTerminalIsRecognized() {
    #expect(LoginJob.interruption(.signaled(SIGINT, coreDumped: false)) == SIGINT)
    #expect(LoginJob.interruption(.signaled(SIGQUIT, coreDumped: true)) == SIGQUIT)
    #expect(LoginJob.interruption(.exited(code: 130)) == SIGINT)
    #expect(LoginJob.interruption(.exited(code: 131)) == SIGQUIT)
    #expect(LoginJob.interruption(.exited(code: 255)) == nil)
    #expect(LoginJob.interruption(.signaled(SIGTERM, coreDumped: false)) == nil)
    #expect(LoginJob.interruption(nil) == nil)
  }

  @Test func anIgnoredSignalStopsNothing() {
    // SIGURG is used by nothing here.
    let before = signal(SIGURG, SIG_IGN)
    #expect(!LoginJob.canStop(SIGURG))
    signal(SIGURG, before)
  }
}
