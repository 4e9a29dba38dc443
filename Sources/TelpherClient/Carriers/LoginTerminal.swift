internal import Glibc
internal import TelpherTransport

/// Shares this process's terminal with a carrier that may ask for a password, as a shell shares it
/// with a job.
///
/// The carrier leads its own process group, so that Ctrl-C does not end the connection. Only the
/// foreground process group may read from the terminal, so the carrier's group is in the foreground
/// until it has logged in. The shell knows only this process's group. So if the carrier is stopped
/// or interrupted, the same happens to this process's group. Use it only on the loop's thread.
final class LoginTerminal {
  private let terminal: Int32
  private let loop: any EventLoop
  /// The carrier's process, which leads its group; nil before `lend` and after `takeBack`.
  private var carrier: pid_t?
  private var watches: [any SignalWatch] = []
  /// Called when the carrier continues after a stop.
  private let didContinue: () -> Void
  /// Called if the carrier waits for a terminal that it can't get.
  private let giveUp: () -> Void

  /// - Returns: nil if this process has no terminal.
  init?(
    on loop: any EventLoop, didContinue: @escaping () -> Void, giveUp: @escaping () -> Void
  ) {
    terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard terminal >= 0 else { return nil }
    self.loop = loop
    self.didContinue = didContinue
    self.giveUp = giveUp
  }

  deinit { close(terminal) }

  /// Puts the carrier's group into the foreground, if this process's group is there, and watches the
  /// carrier from now on.
  func lend(to carrier: pid_t) {
    self.carrier = carrier
    // SIGCHLD also reports that a child was stopped (sigaction(2)). Without a watch, a stop of the
    // carrier only makes the login wait.
    let events: [(Int32, (LoginTerminal) -> Void)] = [
      (SIGCHLD, { $0.lookForStop() }), (SIGCONT, { $0.continueCarrier() }),
    ]
    for (signal, react) in events {
      let watch = try? loop.watch(signal: signal) { [weak self] in
        if let self { react(self) }
      }
      if let watch { watches.append(watch) }
    }
    // The carrier may have tried to read the terminal before, and been stopped for that.
    perform(foreground == .own ? .lend : .wait)
    lookForStop()
  }

  /// Puts this process's group back into the foreground, and ends the watch.
  ///
  /// - Parameter ending: how the carrier has ended; nil if it runs.
  /// - Returns: the signal of the terminal that has ended the carrier; nil if none has. It was sent
  ///   to this process's group too.
  func takeBack(after ending: ProcessExit.Status?) -> Int32? {
    guard carrier != nil else { return nil }
    watches.forEach { $0.cancel() }
    watches = []
    let wasLent = foreground == .carrier
    if wasLent { setForeground(getpgrp()) }
    carrier = nil
    guard wasLent, let signal = LoginJob.interruption(ending) else { return nil }
    // The terminal has sent it to the carrier's group only.
    kill(0, signal)
    return signal
  }

  private var foreground: LoginJob.Foreground {
    switch tcgetpgrp(terminal) {
    case getpgrp(): .own
    case carrier: .carrier
    default: .other
    }
  }

  private func lookForStop() {
    guard let carrier else { return }
    var info = siginfo_t()
    // Without WEXITED the carrier's end stays to be waited for.
    guard waitid(P_PID, id_t(carrier), &info, WSTOPPED | WNOHANG) == 0, info.si_signo == SIGCHLD
    else { return }
    perform(
      LoginJob.carrierDidStop(
        by: info._sifields._sigchld.si_status, foreground: foreground, canStop: LoginJob.canStop))
  }

  private func continueCarrier() {
    perform(foreground == .own ? .lend : .continueCarrier)
    didContinue()
  }

  private func perform(_ action: LoginJob.Action) {
    guard let carrier else { return }
    switch action {
    case .wait: break
    case .lend:
      setForeground(carrier)
      kill(-carrier, SIGCONT)
    case .continueCarrier: kill(-carrier, SIGCONT)
    case .stopJob(let signal):
      if foreground == .carrier { setForeground(getpgrp()) }
      // This process stops in this call, and SIGCONT continues it.
      kill(0, signal)
    case .giveUp: giveUp()
    }
  }

  private func setForeground(_ group: pid_t) {
    // Block SIGTTOU: otherwise it stops a background process that changes the foreground group.
    var blocked = sigset_t()
    var before = sigset_t()
    sigemptyset(&blocked)
    sigaddset(&blocked, SIGTTOU)
    pthread_sigmask(SIG_BLOCK, &blocked, &before)
    _ = tcsetpgrp(terminal, group)
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
