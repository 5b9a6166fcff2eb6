using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests.Runtime;

public class ThreadPlacementTests
{
    [SkippableFact]
    public void A_thread_leaves_a_processor_stays_away_and_may_come_back()
    {
        SkipUnlessSeveral();
        OnThread(() =>
        {
            var placement = new ThreadPlacement();
            int first = ThreadPlacement.Processor;
            Assert.True(placement.Leave(first));
            int second = ThreadPlacement.Processor;
            Assert.NotEqual(first, second);
            StaysOff(first);
            // Off another one now, and so no longer off the first.
            Assert.True(placement.Leave(second));
            Assert.NotEqual(second, ThreadPlacement.Processor);
            StaysOff(second);
        });
    }

    [SkippableFact]
    public void What_others_allow_a_thread_is_heeded()
    {
        SkipUnlessSeveral();
        OnThread(() =>
        {
            // Another hand that allows this thread all processors but one, as taskset does.
            int forbidden = ThreadPlacement.Processor;
            Assert.True(new ThreadPlacement().Leave(forbidden));
            var placement = new ThreadPlacement();
            int only = ThreadPlacement.Processor;
            bool left = placement.Leave(only);
            Assert.Equal(Environment.ProcessorCount > 2, left);
            Assert.NotEqual(forbidden, ThreadPlacement.Processor);
            StaysOff(forbidden);
        });
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1024)]
    [InlineData(int.MaxValue)]
    public void Processors_that_there_are_not_are_left_as_they_are(int processor) =>
        OnThread(() => Assert.False(new ThreadPlacement().Leave(processor)));

    private static void SkipUnlessSeveral()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "only Linux leaves threads where they wait");
        Skip.If(Environment.ProcessorCount < 2, "this process has one processor only");
    }

    private static void StaysOff(int processor)
    {
        for (int i = 0; i < 100; i++)
        {
            Thread.Yield();
            Assert.NotEqual(processor, ThreadPlacement.Processor);
        }
    }

    // Of a thread that ends with it: other tests keep the processors they had.
    private static void OnThread(Action test)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                test();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }
}
