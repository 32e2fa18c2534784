"""What mypy says with the plugin: the comments above a call are all of it, word for word.

A comment without a code explains.
"""

# ruff: noqa: E501

from typing import Final

from acme_vision.pebble.config import PebbleConfig

from typedvision import configure, create_backbone, create_model, models, specify
from typedvision.config.mobile.squeeze_excite import SqueezeExcite
from typedvision.configs import ResNetConfig
from typedvision.families.resnet.config import BlockArgs

NAME: Final = "resnet50"

# An option that there is not, and who has it.
# replace_stem_pool: no such option; accepted by resnet  [typedvision]
create_model("vgg16_bn", replace_stem_pool=True)
# num_clases: no such option; did you mean 'num_classes'?  [typedvision]
create_model("resnet50", num_clases=10)
# use_grn: no such option; accepted by convnext  [typedvision]
create_model("vgg16_bn", use_grn=True)
# features_only: no such option; feature levels come from create_backbone  [typedvision]
create_model("resnet50", features_only=True)
# seed: no such option; create_model takes it  [typedvision]
configure("resnet50", seed=1)
# num_clases: no such option; did you mean 'num_classes'?  [typedvision]
specify("resnet50", num_clases=10)
# replace_stem_pol: no such option; did you mean 'replace_stem_pool'?  [typedvision]
models.resnet50(replace_stem_pol=True)
# out_indices: no such option; create_backbone takes it  [typedvision]
models.resnet50.config(out_indices=(1, 3))
# num_clases: no such option; did you mean 'num_classes'?  [typedvision]
create_model(NAME, num_clases=10)

# A wrong literal, range, length or type.
# aa_layer: must be 'avg' or 'blur'; got 'blurr'; did you mean 'blur'?  [typedvision]
create_model("resnet50", aa_layer="blurr")
# drop_rate: must be at most 1.0; got 3.0  [typedvision]
create_model("resnet50", drop_rate=3.0)
# num_classes: must be an integer; got '10'  [typedvision]
create_model("resnet50", num_classes="10")
# num_classes: must be at least 0; got -1  [typedvision]
create_model("resnet50", num_classes=-1)
# num_classes: must be an integer; got True  [typedvision]
create_model("resnet50", num_classes=True)
# layers[3]: is required  [typedvision]
create_model("resnet50", layers=(3, 4, 6))
# layers[3]: must be at least 1; got 0  [typedvision]
create_model("resnet50", layers=(3, 4, 6, 0))
# block_args.attn_laye: no such option; did you mean 'attn_layer'?  [typedvision]
create_model("resnet50", block_args={"attn_laye": "se"})
# drop_rate: must be a number; got None  [typedvision]
# in_chans: must be at least 1; got 0  [typedvision]
create_model("resnet50", drop_rate=None, in_chans=0)
# output_stride: must be 8, 16 or 32; got 4  [typedvision]
models.resnet50(output_stride=4)
# drop_rate: must be at most 1.0; got 1.5  [typedvision]
models.resnet50.spec(drop_rate=1.5)
# in_chans: must be an integer; got 3.0  [typedvision]
specify("resnet50", in_chans=3.0)
# group_size: must be an integer; got 4.0  [typedvision]
create_model("regnetz_005", group_size=4.0)

# Literals that are right one by one and cannot go together.
# 'global_pool' must not be '' where there is a classifier: set 'num_classes' to 0, or pool  [typedvision]
create_model("resnet50", global_pool="")
# give either pretrained or checkpoint_path: both name weights  [typedvision]
create_model("resnet50", pretrained=True, checkpoint_path="w.safetensors")
# 'num_heads' must divide 'embed_dim' 100 evenly; got 12: choose one of its divisors  [typedvision]
create_model("vit_base_patch16_224", embed_dim=100)
# 'norm_layer' = 'groupnorm' cannot divide 100 channels into 32 groups: choose other channels, or normalise by 'groupnorm1'  [typedvision]
models.convnext_tiny(norm_layer="groupnorm", dims=(100, 200, 400, 800))

# A name, a tag, weights.
# no model 'resnet5O'; did you mean 'resnet50', 'resnet50t' or 'resnet50s'?  [typedvision]
create_model("resnet5O")
# no model 'resnet5O'; did you mean 'resnet50', 'resnet50t' or 'resnet50s'?  [typedvision]
create_model("resnet5O", replace_stem_pool=True)
# no weights 'a1_in22k' of 'resnet50'; did you mean 'a1_in1k'?  [typedvision]
create_model("resnet50.a1_in22k")
# pretrained: no weights 'a1_in22k' of 'resnet50'; did you mean 'a1_in1k'?  [typedvision]
create_model("resnet50", pretrained="a1_in22k")
# pretrained='tv_in1k' needs a model's name without another tag; got 'resnet50.a1_in1k'  [typedvision]
create_model("resnet50.a1_in1k", pretrained="tv_in1k")
# pretrained: no weights are published for 'resnet200'  [typedvision]
create_model("resnet200", pretrained=True)
# pretrained: no weights 'a1_in22k' of 'resnet50'; did you mean 'a1_in1k'?  [typedvision]
models.resnet50(pretrained="a1_in22k")
# pretrained: no weights are published for 'resnet200'  [typedvision]
models.resnet200(pretrained=True)
# a model is a name, a config or a ModelSpec; got int  [typedvision]
create_model(50)
# no model 'resnet'; did you mean 'resnet50', 'resnet18' or 'resnet34'?  [typedvision]
configure("resnet")

# Feature levels.
# 'out_indices' has 13, which the model does not have: choose from 0 ('act1') to 4 ('layer4')  [typedvision]
create_backbone("resnet50", out_indices=(1, 13))
# 'out_indices' has 1 more than once: name each level once  [typedvision]
create_backbone("resnet50", out_indices=(1, 1))
# output_fmt: must be 'NCHW', 'NHWC' or 'NLC'; got 'NHCW'; did you mean 'NHWC' or 'NCHW'?  [typedvision]
create_backbone("resnet50", output_fmt="NHCW")

# Configs.
# block: is required  [typedvision]
# layers[2]: is required  [typedvision]
# layers[3]: is required  [typedvision]
ResNetConfig(layers=(1, 2))
# drop_rate: must be at most 1.0; got 2  [typedvision]
ResNetConfig(block="basic", layers=(1, 1, 1, 1), drop_rate=2)
# attn_laye: no such option; did you mean 'attn_layer'?  [typedvision]
BlockArgs(attn_laye="se")
# rd_divisor: must be at least 1; got 0  [typedvision]
SqueezeExcite(rd_divisor=0)

# A plug-in's family.
# mixing: must be 'depthwise' or 'full'; got 'none'  [typedvision]
create_model("pebble_small", mixing="none")
# no model 'pebble_smal'; did you mean 'pebble_small'?  [typedvision]
create_model("pebble_smal")
# depth: must be at least 1; got 0  [typedvision]
PebbleConfig(depth=0)


# What is no literal is checked by its type, one line for a mistake.
def at_run_time(name: str, text: str, number: int) -> None:
    # Argument "num_classes" to "create_model" has incompatible type "str"; expected "int"  [arg-type]
    create_model("resnet50", num_classes=text)
    # drop_rate: must be at most 1.0; got 3.0  [typedvision]
    create_model("resnet50", num_classes=number, drop_rate=3.0)
    create_model("resnet50", num_classes=number, global_pool="")
    # Argument "layers" to "create_model" has incompatible type "tuple[int, int, int]"; expected "tuple[int, int, int, int]"  [arg-type]
    create_model("resnet50", layers=(number, 4, 6))
    # Unexpected keyword argument "replace_stem_pool" for "create_model"  [call-arg]
    create_model(name, replace_stem_pool=True)
    # num_clases: no such option; did you mean 'num_classes'?  [typedvision]
    create_model(name, num_clases=10)
    # Argument "num_classes" to "__call__" of "ResNetVariant" has incompatible type "str"; expected "int"  [arg-type]
    # drop_rate: must be at most 1.0; got 3.0  [typedvision]
    models.resnet50(num_classes=text, drop_rate=3.0)
    # num_clases: no such option; did you mean 'num_classes'?  [typedvision]
    ResNetConfig(block="basic", layers=(number, 1, 1, 1), num_clases=1)
    # num_clases: no such option; did you mean 'num_classes'?  [typedvision]
    create_model(ResNetConfig(block="basic", layers=(1, 1, 1, 1)), num_clases=1)
