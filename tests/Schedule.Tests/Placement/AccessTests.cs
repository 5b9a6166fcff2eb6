using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;

namespace Picograd.Tests.Placement;

public class AccessTests
{
    [Theory]
    [InlineData("matmul m=33 n=17 k=29 bias=1 act=relu")]
    [InlineData("softmax rows=3 cols=7")]
    [InlineData("argmax rows=4 cols=5 axis=1")]
    [InlineData("embedding vocab=7 dim=3 rows=5")]
    [InlineData("cumsum rows=3 cols=5")]
    public void Every_load_and_store_of_a_statement_is_an_access(string spec)
    {
        var target = new TargetInfo("cpu", "any", 256, 16, 4, 32 << 10, 1 << 20, 32 << 20);
        foreach (var rule in ScheduleRules.For(OperatorSpec.Parse(spec).Build(), target))
        {
            var algorithm = OperatorSpec.Parse(spec).Build();
            var nest = rule.Apply(algorithm, target, rule.Defaults(algorithm, target));
            Check(nest.Body);
            Check(LowerBlocks.Run(StoragePlacement.Run(nest)).Body);
        }
    }

    private static void Check(Stmt body)
    {
        foreach (var stmt in body.Nodes().Where(s => s is not Block))
        {
            var own = BufferAccess.Own(stmt);
            Assert.Equal(
                stmt.Exprs().SelectMany(e => e.Loads()).ToHashSet<object>(ReferenceEqualityComparer.Instance),
                own.Where(a => a.Site is Load).Select(a => a.Site).ToHashSet(ReferenceEqualityComparer.Instance)
            );
            IEnumerable<Algorithms.Buffer> stored = stmt switch
            {
                Store s => [s.Buffer],
                StoreAll all => all.Stores.Select(s => s.Buffer),
                _ => [],
            };
            Assert.Equal(stored, own.Where(a => a.IsWrite).Select(a => a.Buffer));
        }
        foreach (var block in body.Nodes().OfType<Block>())
        {
            var own = BufferAccess.Own(block);
            Assert.Equal(block.Outputs, own.Where(a => a.IsWrite).Select(a => a.Buffer));
            Assert.Subset(own.Select(a => a.Buffer).ToHashSet(), block.Reads.ToHashSet());
        }
    }
}
