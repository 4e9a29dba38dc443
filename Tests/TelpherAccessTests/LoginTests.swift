import TelpherAccess
import Testing

/// Which users may log in with a key.
struct LoginTests {
  private func fault(
    shell: String = "/bin/sh", isSuperuser: Bool = false, expires: Int? = nil,
    isLocked: Bool = false, shells: Set<String> = ["/bin/sh", "/bin/rbash", "/opt/none/zsh"],
    isClosed: Bool = false
  ) -> String? {
    Login(
      shell: shell, isSuperuser: isSuperuser,
      password: .entry(expires: expires, isLocked: isLocked)
    ).fault(Login.System(shells: shells, isClosed: isClosed, day: 20_000))
  }

  @Test func `A user with a listed shell may log in`() {
    #expect(fault() == nil)
    #expect(fault(shell: "") == nil)
    #expect(fault(expires: 20_001) == nil)
  }

  @Test func `An account that is closed may not log in`() {
    #expect(fault(expires: 20_000)?.contains("expired") == true)
    #expect(fault(expires: 0)?.contains("expired") == true)
    #expect(fault(isLocked: true)?.contains("locked") == true)
    #expect(
      Login(shell: "/bin/sh", isSuperuser: true, password: .unknown(13))
        .fault(Login.System(shells: ["/bin/sh"], isClosed: false, day: 1))?
        .contains("can't be read") == true)
  }

  @Test func `While the system is closed only the superuser may log in`() {
    #expect(fault(isClosed: true)?.contains("nologin") == true)
    #expect(fault(isSuperuser: true, isClosed: true) == nil)
  }

  @Test(arguments: [
    ("/bin/rbash", "may restrict the commands"),
    ("/usr/bin/git-shell", "may restrict the commands"),
    ("/opt/wrapper", "may restrict the commands"), ("/bin/bash/", "not in /etc/shells"),
    ("/opt/sh", "not in /etc/shells"), ("sh", "not in /etc/shells"),
    ("/opt/none/zsh", "can't be executed"),
  ])
  func `Users whose shell restricts them or is unknown may not log in`(
    _ shell: String, _ why: String
  ) {
    #expect(fault(shell: shell)?.contains(why) == true, "\(fault(shell: shell) ?? "")")
  }
}
