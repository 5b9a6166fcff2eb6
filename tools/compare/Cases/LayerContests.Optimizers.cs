using TorchSharp;
using TorchParameter = TorchSharp.Modules.Parameter;

namespace Picograd.Compare.Cases;

// Steps of optimizers over the parameters of whole models; TorchSharp's step is a loop over parameters.
internal static partial class LayerContests
{
    private static readonly long[][] NanoGpt =
    [
        [65, 384],
        [256, 384],
        .. Enumerable
            .Repeat<long[][]>(
                [
                    [384],
                    [384],
                    [1152, 384],
                    [1152],
                    [384, 384],
                    [384],
                    [384],
                    [384],
                    [1536, 384],
                    [1536],
                    [384, 1536],
                    [384],
                ],
                6
            )
            .SelectMany(block => block),
        [384],
        [384],
    ];

    private static readonly long[][] ResNet18 =
    [
        [64, 3, 7, 7],
        [64],
        [64],
        .. Stage(64, 64),
        .. Stage(64, 128),
        .. Stage(128, 256),
        .. Stage(256, 512),
        [1000, 512],
        [1000],
    ];

    private static readonly long[][] Small = [.. Enumerable.Range(0, 150).Select(i => new[] { 32L + i % 5 * 16 })];

    private static long[][] Stage(long inputs, long outputs)
    {
        long[][] Conv(long from, long kernel) =>
            [
                [outputs, from, kernel, kernel],
                [outputs],
                [outputs],
            ];
        return
        [
            .. Conv(inputs, 3),
            .. Conv(outputs, 3),
            .. inputs == outputs ? [] : Conv(inputs, 1),
            .. Conv(outputs, 3),
            .. Conv(outputs, 3),
        ];
    }

    private static IEnumerable<Contest> OfOptimizers()
    {
        foreach (var (model, shapes) in new[] { ("150 small", Small), ("nanoGPT", NanoGpt), ("ResNet-18", ResNet18) })
        {
            foreach (
                var (name, ours, theirs) in ((
                    string,
                    Func<Tensor[], Optimizer>,
                    Func<TorchParameter[], torch.optim.Optimizer>
                )[])
                    [
                        ("SGD", p => new SGD(p, 1e-4), p => torch.optim.SGD(p, 1e-4)),
                        (
                            "SGD with momentum",
                            p => new SGD(p, 1e-4, momentum: 0.9),
                            p => torch.optim.SGD(p, 1e-4, momentum: 0.9)
                        ),
                        ("Adam", p => new Adam(p, 1e-4), p => torch.optim.Adam(p, 1e-4)),
                        ("AdamW", p => new AdamW(p, 1e-4), p => torch.optim.AdamW(p, 1e-4)),
                        ("RMSprop", p => new RMSprop(p, 1e-4), p => torch.optim.RMSProp(p, 1e-4)),
                        ("Adagrad", p => new Adagrad(p, 1e-4), p => torch.optim.Adagrad(p, 1e-4)),
                        ("Adadelta", p => new Adadelta(p, 1e-4), p => torch.optim.Adadelta(p, 1e-4)),
                    ]
            )
            {
                yield return new(
                    $"layers {name} step of {model}",
                    () =>
                    {
                        var optimizer = ours(Here(shapes));
                        return optimizer.Step;
                    },
                    () =>
                    {
                        var optimizer = theirs(There(shapes));
                        return () =>
                        {
                            using var scope = torch.NewDisposeScope();
                            optimizer.step();
                        };
                    }
                );
            }
            yield return new(
                $"layers clipping of the norm of {model}",
                () =>
                {
                    var parameters = Here(shapes);
                    return () =>
                    {
                        using var scope = Tensor.Scope();
                        Clipping.ClipGradNorm_(parameters, 1);
                    };
                },
                () =>
                {
                    var parameters = There(shapes);
                    return () =>
                    {
                        using var scope = torch.NewDisposeScope();
                        torch.nn.utils.clip_grad_norm_(parameters, 1);
                    };
                }
            );
        }
    }

    private static Tensor[] Here(long[][] shapes)
    {
        Tensor[] parameters = [.. shapes.Select(s => Tensor.Randn(s).Keep().RequiresGrad_())];
        foreach (var p in parameters)
            p.Sum().Backward();
        return parameters;
    }

    private static TorchParameter[] There(long[][] shapes)
    {
        TorchParameter[] parameters = [.. shapes.Select(s => new TorchParameter(torch.randn(s), true))];
        foreach (var p in parameters)
            p.sum().backward();
        return parameters;
    }
}
