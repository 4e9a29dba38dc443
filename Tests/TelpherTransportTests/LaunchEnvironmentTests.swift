import Testing
import TelpherTransport

@Suite struct LaunchEnvironmentTests {
  private static let server: [SystemString: SystemString] = [
    "HOME": "/root", "PATH": "/usr/bin::/bin", "LANG": "C",
  ]

  @Test func changesReplaceAddAndRemoveVariables() {
    var environment = LaunchEnvironment(Self.server)
    environment["LANG"] = "de_DE"
    environment["NEW"] = "a=b"
    environment["HOME"] = nil
    environment["MISSING"] = nil
    #expect(environment["LANG"] == "de_DE")
    #expect(environment["HOME"] == nil)
    #expect(
      environment.variables == ["PATH": "/usr/bin::/bin", "LANG": "de_DE", "NEW": "a=b"])
    #expect(
      Set(environment.strings) == ["PATH=/usr/bin::/bin", "LANG=de_DE", "NEW=a=b"])
    environment["HOME"] = "/"
    #expect(environment["HOME"] == "/" && environment.strings.count == 4)
  }

  @Test func theStringsAreThoseOfTheVariablesAfterRandomChanges() {
    var random = SystemRandomNumberGenerator()
    let names: [SystemString] = ["A", "B", "C", "PATH", "D", "E"]
    for _ in 0..<500 {
      var model: [SystemString: SystemString] = [:]
      for name in names where Bool.random(using: &random) { model[name] = "old" }
      var environment = LaunchEnvironment(model)
      for _ in 0..<Int.random(in: 0..<8, using: &random) {
        let name = names.randomElement(using: &random)!
        let value: SystemString? =
          Bool.random(using: &random) ? SystemString("\(Int.random(in: 0..<9))") : nil
        environment[name] = value
        model[name] = value
      }
      #expect(environment.variables == model)
      let strings = environment.strings
      #expect(strings.count == model.count)
      #expect(Set(strings) == Set(model.map { SystemString("\($0)=\($1)") }))
      for name in names { #expect(environment[name] == model[name]) }
    }
  }

  @Test func theFoldersAreThoseOfThePathThatIsSetLast() {
    var environment = LaunchEnvironment(Self.server)
    #expect(environment.folders == ["/usr/bin", "", "/bin"])
    environment["PATH"] = "/a"
    #expect(environment.folders == ["/a"])
    environment["PATH"] = nil
    #expect(environment.folders == ["/bin", "/usr/bin"])
    #expect(LaunchEnvironment([:]).folders == ["/bin", "/usr/bin"])
  }

  @Test func variablesThatCannotBePassedAreReported() {
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
      let (name, value) = (SystemString(name), SystemString(value))
      #expect(LaunchEnvironment([name: value]).fault != nil)
      var environment = LaunchEnvironment(Self.server)
      #expect(environment.fault == nil)
      environment[name] = value
      #expect(environment.fault != nil)
      // A variable at fault that is removed again is none.
      environment[name] = nil
      #expect(environment.fault == nil)
      var cleared = LaunchEnvironment([name: value])
      cleared[name] = nil
      #expect(cleared.fault == nil)
    }
  }
}
