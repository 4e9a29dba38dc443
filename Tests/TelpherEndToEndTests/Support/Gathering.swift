/// A barrier: a given number of tasks wait for each other.
actor Gathering {
  private var missing: Int
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { missing = count }

  /// Returns when all tasks have called it.
  func arrive() async {
    missing -= 1
    if missing > 0 {
      await withCheckedContinuation { waiter in
        // Check again: the others may have arrived before this closure runs.
        if missing > 0 { waiters.append(waiter) } else { waiter.resume() }
      }
    } else {
      for waiter in waiters { waiter.resume() }
      waiters = []
    }
  }
}
