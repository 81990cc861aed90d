package pacemaker.drive;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Runs the same work in many threads, which all begin at one instant, and passes on the first failure. */
public final class Crowd {
    /** The work of one of the threads, which have the numbers 0 to size - 1. */
    public interface Work {
        void run(int number) throws Exception;
    }

    private Crowd() {
    }

    public static void run(int size, Work work) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(size);
        CountDownLatch missing = new CountDownLatch(size);
        try {
            List<Callable<Void>> calls = new ArrayList<>();
            for (int number = 0; number < size; number++) {
                int mine = number;
                calls.add(() -> {
                    missing.countDown();
                    missing.await();
                    work.run(mine);
                    return null;
                });
            }
            for (Future<Void> call : threads.invokeAll(calls)) {
                await(call);
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static void await(Future<Void> call) throws Exception {
        try {
            call.get();
        } catch (ExecutionException failure) {
            if (failure.getCause() instanceof Exception) {
                throw (Exception) failure.getCause();
            }
            throw failure;
        }
    }
}
