using System.Runtime.InteropServices;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Forward and backward, and steps of training.
internal static partial class OperatorContests
{
    private static IEnumerable<Contest> Gradients()
    {
        foreach (var (rows, classes) in ((long, long)[])[(32, 27), (256, 1000), (64, 50257)])
        {
            long[] targets = Tokens((int)rows, classes);
            yield return WithGradient(
                $"cross-entropy {rows}x{classes}",
                [
                    [rows, classes],
                ],
                () =>
                {
                    var places = Tensor.From<long>(targets).Keep();
                    return t => F.CrossEntropy(t[0], places);
                },
                () =>
                {
                    var places = torch.tensor(targets);
                    return t => Functional.cross_entropy(t[0], places);
                }
            );
        }
        yield return WithGradient(
            "Softmax 512x512",
            [
                [512, 512],
            ],
            t => t[0].Softmax(),
            t => t[0].softmax(-1)
        );
        yield return WithGradient(
            "Gelu 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0].Gelu(),
            t => t[0].gelu()
        );
        yield return WithGradient(
            "a * row 1024x1024",
            [
                [1024, 1024],
                [1024],
            ],
            t => t[0] * t[1],
            t => t[0] * t[1]
        );
        yield return WithGradient(
            "Amax(1) 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0].Amax(1),
            t => t[0].amax([1])
        );
        yield return WithGradient(
            "Linear 256x768x768",
            [
                [256, 768],
                [768, 768],
                [768],
            ],
            t => F.Linear(t[0], t[1], t[2]),
            t => Functional.linear(t[0], t[1], t[2])
        );
        yield return WithGradient(
            "attention 4x8x128x64, causal",
            [
                [4, 8, 128, 64],
                [4, 8, 128, 64],
                [4, 8, 128, 64],
            ],
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: true),
            t => Functional.scaled_dot_product_attention(t[0], t[1], t[2], is_casual: true)
        );
        long[] tokens = Tokens(8192, 4096);
        var here = WithGradient(
            "Embedding 4096x256 by 8192",
            [
                [4096, 256],
            ],
            () =>
            {
                var places = Tensor.From<long>(tokens).Keep();
                return t => F.Embedding(t[0], places);
            },
            () => t => t[0]
        );
        yield return here with
        {
            Theirs = () =>
            {
                var (table, places) = (torch.nn.Embedding(4096, 256), torch.tensor(tokens));
                var ones = torch.ones(8192, 256);
                return Contest.FreedThere(() =>
                    torch.autograd.grad([table.forward(places)], [table.weight!], [ones])[0]
                );
            },
        };
    }

    private static IEnumerable<Contest> Steps()
    {
        foreach (
            var (batch, inputs, hidden, outputs) in ((long, long, long, long)[])[(32, 30, 200, 27), (128, 784, 512, 10)]
        )
        {
            long[] targets = Tokens((int)batch, outputs);
            yield return new(
                $"MLP training step {batch}x{inputs}x{hidden}x{outputs}, SGD",
                () =>
                {
                    var (first, second) = (new Linear(inputs, hidden), new Linear(hidden, outputs));
                    var optimizer = new SGD([.. first.Parameters, .. second.Parameters], lr: 0.01);
                    var x = Tensor.Randn([batch, inputs]).Keep();
                    var places = Tensor.From<long>(targets).Keep();
                    return () =>
                    {
                        using var scope = Tensor.Scope();
                        var loss = F.CrossEntropy(second.Forward(first.Forward(x).Tanh()), places);
                        optimizer.ZeroGrad();
                        loss.Backward();
                        optimizer.Step();
                    };
                },
                () =>
                {
                    var (first, second) = (torch.nn.Linear(inputs, hidden), torch.nn.Linear(hidden, outputs));
                    var optimizer = torch.optim.SGD([.. first.parameters(), .. second.parameters()], 0.01);
                    var (x, places) = (torch.randn(batch, inputs), torch.tensor(targets));
                    return () =>
                    {
                        using var scope = torch.NewDisposeScope();
                        var loss = Functional.cross_entropy(second.forward(first.forward(x).tanh()), places);
                        optimizer.zero_grad();
                        loss.backward();
                        optimizer.step();
                    };
                }
            );
        }
        yield return new(
            "Adam step, 12 of 768x768",
            () =>
            {
                Tensor[] weights =
                [
                    .. Enumerable.Range(0, 12).Select(_ => Tensor.Randn([768, 768]).Keep().RequiresGrad_()),
                ];
                var optimizer = new Adam(weights);
                foreach (var w in weights)
                    w.Sum().Backward();
                return optimizer.Step;
            },
            () =>
            {
                var weights = Enumerable
                    .Range(0, 12)
                    .Select(_ => new TorchSharp.Modules.Parameter(torch.randn(768, 768), true))
                    .ToArray();
                var optimizer = torch.optim.Adam(weights);
                foreach (var w in weights)
                    w.sum().backward();
                return () => optimizer.step();
            }
        );
    }
}
