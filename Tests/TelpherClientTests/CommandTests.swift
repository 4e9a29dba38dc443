import Testing

@testable import TelpherClient

@Suite struct CommandTests {
  @Test func aNegativeDrainHasNoLimit() {
    var command = Command("true")
    command.drain = .milliseconds(-1)
    #expect(command.request.drainMS == -1)
    command.drain = .seconds(-3)
    #expect(command.request.drainMS == -1)
  }

  @Test func timesAreRoundedUpToMilliseconds() {
    var command = Command("true")
    command.deadline = .nanoseconds(1)
    command.grace = .zero
    command.drain = .microseconds(1_500)
    #expect(command.request.deadlineMS == 1)
    #expect(command.request.graceMS == 0)
    #expect(command.request.drainMS == 2)
  }
}
