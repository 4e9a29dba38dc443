import ArgumentParser
import TelpherClient
import Testing

@testable import TelpherCLI
import TelpherWire

struct DurationArgumentTests {
  @Test(arguments: [
    ("1.5s", Duration.milliseconds(1_500)), ("200ms", .milliseconds(200)), ("2m", .seconds(120)),
    ("1h", .seconds(3_600)), ("0s", .zero), (".5s", .milliseconds(500)),
    ("5", .seconds(5)), ("0.5d", .seconds(43_200)), ("0.25", .milliseconds(250)),
  ])
  func times(_ text: String, _ duration: Duration) throws {
    #expect(try DurationArgument.parse(text) == duration)
  }

  @Test(arguments: [
    "", "s", "-1s", "1e3s", "infs", "nans", "1w", "1.2.3s", "99999999999999h", "8d",
  ])
  func aTextThatIsNoTimeIsRefused(_ text: String) {
    #expect(throws: ValidationError.self) { try DurationArgument.parse(text) }
  }

  @Test func jobsAreKeptForAnHourToTenYears() throws {
    #expect(try DurationArgument.parseRetention("1h") == .seconds(3_600))
    #expect(try DurationArgument.parseRetention("30d") == .seconds(30 * 86_400))
    for text in ["59m", "0", "3700d", "x"] {
      #expect(throws: ValidationError.self) { try DurationArgument.parseRetention(text) }
    }
  }

  @Test func aTimeToWaitIsMoreThanZero() throws {
    #expect(try DurationArgument.parsePositive("1ms") == .milliseconds(1))
    for text in ["0", "0ms", "0.0h", ".0", "x"] {
      #expect(throws: ValidationError.self) { try DurationArgument.parsePositive(text) }
    }
  }
}

struct EnvironmentVariableTests {
  @Test func theValueMayContainEqualsSigns() throws {
    #expect(try EnvironmentVariable.parse("A=b=c") == EnvironmentVariable(name: "A", value: "b=c"))
    #expect(try EnvironmentVariable.parse("A=") == EnvironmentVariable(name: "A", value: ""))
  }

  @Test func aMissingEqualsSignIsReported() {
    #expect { try EnvironmentVariable.parse("A") } throws: { "\($0)".contains("no '='") }
    #expect(throws: ValidationError.self) { try EnvironmentVariable.parse("=x") }
  }
}
