/// A place where as many tasks wait for each other as were told.
actor Gathering {
  private var missing: Int
  private var waiters: [CheckedContinuation<Void, Never>] = []

  init(_ count: Int) { missing = count }

  /// Returns when all have arrived.
  func arrive() async {
    missing -= 1
    if missing > 0 {
      await withCheckedContinuation { waiters.append($0) }
    } else {
      for waiter in waiters { waiter.resume() }
      waiters = []
    }
  }
}
